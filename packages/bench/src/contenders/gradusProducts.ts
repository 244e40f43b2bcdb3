import { step } from "@gradus/core";
import { fill, matmulInto, type NdArray } from "@gradus/kernels";
import { timed, type Prepare } from "../contender.ts";

interface Products {
  readonly times: number;
  readonly a: NdArray;
  readonly b: NdArray;
  readonly y: NdArray;
}

/** The matrix products of the training step, forward and backward, and nothing else. */
export const products: Prepare = (_, settings) => ({
  time: (times) => {
    let milliseconds = 0;
    step(() => {
      const all = operands(settings as Record<"B" | "T" | "E" | "H" | "V", number>);
      milliseconds = timed(times, () => multiply(all));
    });
    return milliseconds;
  },
  read: () => ({}),
});

function operands({ B, T, E, H, V }: Readonly<Record<"B" | "T" | "E" | "H" | "V", number>>): Products[] {
  /** How many there are of it in the forward pass, the batch, and A·B as m, k, n. */
  const sizes: readonly (readonly [times: number, batch: number, m: number, k: number, n: number])[] = [
    [2, 1, B * T, E, 3 * H], // encoder and decoder, inputs
    [2 * T, 1, B, H, 3 * H], // encoder and decoder, states
    [1, 1, B * T, H, H], // attention, queries
    [1, B, T, H, T], // attention, scores
    [1, B, T, T, H], // attention, context
    [1, 1, B * T, 2 * H, H], // attentional state
    [1, 1, B * T, H, V], // logits
  ];
  const zeros = (...shape: number[]): NdArray => fill(shape, 0, "float32");
  return sizes.map(([times, batch, m, k, n]) => ({
    times,
    a: zeros(batch, m, k),
    b: zeros(batch, k, n),
    y: zeros(batch, m, n),
  }));
}

function multiply(all: readonly Products[]): void {
  for (const { times, a, b, y } of all) {
    for (let i = 0; i < times; i++) {
      matmulInto(y, 0, a, false, b, false);
      matmulInto(a, 1, y, false, b, true); // dA += dY·Bᵀ
      matmulInto(b, 1, a, true, y, false); // dB += Aᵀ·dY
    }
  }
}
