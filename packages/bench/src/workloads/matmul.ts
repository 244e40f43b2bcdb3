import type { Arrays } from "../arrays.ts";
import { faster, uniform, type Case, type Workload } from "../workload.ts";

type Sizes = readonly [m: number, k: number, n: number];

const square = (n: number, form = "AB", more: Partial<Case> = {}): Case => test([n, n, n], form, more);
const contenders = ["gradus", "gradus/float64", "plain", "onnxruntime", "tfjs/wasm", "tfjs/cpu", "jax/jit", "pytorch"];
const slow = { slow: true, contenders: contenders.filter((name) => name !== "plain" && name !== "tfjs/cpu") };

export const matmul: Workload = {
  name: "matmul",
  title: "Matrix product",
  about:
    "m×k×n, float32, with either matrix read transposed; `gradus/float64` the same in float64; plain is the loop i, k, j. The two that " +
    "take seconds for the large ones are raced on the others only.",
  contenders,
  cases: [
    ...[64, 128, 256].map((n) => square(n)),
    ...[512, 1024].map((n) => square(n, "AB", slow)),
    test([768, 128, 4000], "AB", slow),
    ...["AᵀB", "ABᵀ"].flatMap((form) => [square(64, form), square(256, form), square(512, form, slow)]),
  ],
  bars: [
    ...["tfjs/wasm", "jax/jit"].map((theirs) => faster("gradus", theirs, 1.25)),
    {
      says: "float64 reaches ≥ 45 % of the speed of float32",
      ratio: (time) => time("gradus") / time("gradus/float64"),
      atLeast: 0.45,
    },
  ],
};

function test([m, k, n]: Sizes, form: string, more: Partial<Case>): Case {
  const [transposeA, transposeB] = [form === "AᵀB", form === "ABᵀ"];
  return {
    name: `${m === k && k === n ? n : `${m}×${k}×${n}`} ${form}`,
    settings: { transposeA, transposeB },
    inputs: () => ({
      a: uniform(transposeA ? [k, m] : [m, k], -1, 1, 1),
      b: uniform(transposeB ? [n, k] : [k, n], -1, 1, 2),
    }),
    reference: (inputs) => product(inputs, [m, k, n], transposeA, transposeB),
    tolerance: 1e-5,
    ...more,
  };
}

function product({ a, b }: Arrays, [m, k, n]: Sizes, transposeA: boolean, transposeB: boolean): Arrays {
  const data = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let l = 0; l < k; l++) {
      const x = a!.data[transposeA ? l * m + i : i * k + l]!;
      for (let j = 0; j < n; j++) data[i * n + j]! += x * b!.data[transposeB ? j * k + l : l * n + j]!;
    }
  }
  return { product: { shape: [m, n], data } };
}
