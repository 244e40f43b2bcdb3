import type { Arrays } from "../arrays.ts";
import { integers, uniform, type Workload } from "../workload.ts";

const [V, E, B, T] = [4000, 64, 64, 32];

export const embedding: Workload = {
  name: "embedding",
  title: "Embedding",
  about: `${B}×${T} rows of a table [${V}, ${E}] gathered, and their gradients added into a table of zeros.`,
  contenders: ["gradus", "plain", "tfjs/wasm", "tfjs/cpu", "jax/eager", "jax/jit", "pytorch"],
  cases: [
    {
      name: `${B}×${T} of ${V}×${E}`,
      settings: {},
      inputs: () => ({
        table: uniform([V, E], 0, 1, 1),
        ids: integers([B, T], V, 2),
        dy: uniform([B, T, E], 0, 1, 3),
      }),
      reference,
      tolerance: 1e-5,
    },
  ],
  bars: [],
};

function reference({ table, ids, dy }: Arrays): Arrays {
  const gradient = new Float64Array(V * E);
  let sum = 0;
  dy!.data.forEach((d: number, i: number) => {
    const at = ids!.data[Math.floor(i / E)]! * E + (i % E);
    sum += table!.data[at]! * d;
    gradient[at]! += d;
  });
  return { value: { shape: [], data: Float64Array.of(sum) }, dTable: { shape: [V, E], data: gradient } };
}
