import type { Arrays } from "../arrays.ts";
import { faster, uniform, type Case, type Workload } from "../workload.ts";

const SIZE = 1_000_000;
const functions: Readonly<Record<string, (a: number, b: number, c: number) => number>> = {
  exp: Math.exp,
  tanh: Math.tanh,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  "tanh(a·b + c)": (a, b, c) => Math.tanh(a * b + c),
};

export const elementwise: Workload = {
  name: "elementwise",
  title: "Element-wise functions",
  about: "A million float32 in, a million out; plain is a loop over Math.*, with the chain in one loop.",
  contenders: ["gradus", "plain", "onnxruntime", "tfjs/wasm", "tfjs/cpu", "jax/eager", "jax/jit", "pytorch"],
  cases: Object.keys(functions).map(test),
  bars: [faster("gradus", "plain", 4, ["exp", "tanh", "sigmoid"])],
};

function test(name: string): Case {
  const inputs = (): Arrays => Object.fromEntries(["a", "b", "c"].map((x, i) => [x, uniform([SIZE], -3, 3, i)]));
  const reference = ({ a, b, c }: Arrays): Arrays => {
    const data = Float64Array.from(a!.data, (x, i) => functions[name]!(x, b!.data[i]!, c!.data[i]!));
    return { y: { shape: [SIZE], data } };
  };
  return { name, settings: { function: name }, inputs, reference, tolerance: 1e-6 };
}
