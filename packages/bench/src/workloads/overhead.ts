import type { Arrays } from "../arrays.ts";
import { uniform, type Case, type Workload } from "../workload.ts";

const ours = ["gradus", "gradus/in step"];

export const overhead: Workload = {
  name: "overhead",
  title: "Engine overhead",
  about: "y ← tanh(x + y) on one element, again and again, forward and backward; the time is that of an op.",
  contenders: [...ours, "tfjs/wasm", "tfjs/cpu", "jax/eager", "jax/jit", "pytorch"],
  cases: [test(1000), { ...test(10_000), contenders: ours }, { ...test(100_000), contenders: ours, slow: true }],
  bars: [],
};

function test(ops: number): Case {
  const inputs = (): Arrays => ({ x: uniform([1], 0.5, 0.6, 1) });
  const reference = (inputs: Arrays): Arrays => derivative(inputs, ops);
  return { name: `${ops} ops`, settings: { ops }, inputs, reference, tolerance: 1e-4, units: ops };
}

function derivative({ x }: Arrays, ops: number): Arrays {
  const start = x!.data[0]!;
  let [y, slope] = [start, 1];
  for (let i = 0; i < ops; i += 2) {
    y = Math.tanh(start + y);
    slope = (1 - y * y) * (1 + slope);
  }
  return { dx: { shape: [1], data: Float64Array.of(slope) } };
}
