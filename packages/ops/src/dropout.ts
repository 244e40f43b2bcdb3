import { tensor, ValueError, type Random, type Tensor } from "@gradus/core";
import { checkFloats, checkOptions } from "./arguments.ts";
import { mul } from "./mul.ts";
import { where } from "./where.ts";

/**
 * y = x/(1 − rate) at places kept with probability 1 − rate, 0 elsewhere; a rate of 1 gives zeros. The slope is 1/(1 − rate)
 * or 0. For training only: leave it out otherwise.
 * @throws ValueError for a rate outside [0, 1], DTypeError for all but floats.
 * @source Srivastava et al. 2014, Dropout
 * @example
 * console.log(dropout(tensor([1, 1, 1]), { rate: 0.5, random: { next: () => 0.7 } })); // => float32[3] [2, 2, 2]
 */
export function dropout(x: Tensor, options: { readonly rate: number; readonly random: Random }): Tensor {
  checkOptions("dropout", options);
  const { rate, random } = options;
  checkFloats("dropout", { x });
  if (typeof rate !== "number" || !(rate >= 0 && rate <= 1))
    throw new ValueError("dropout", "no such rate", { rate }, "0 to 1");
  if (typeof random?.next !== "function") {
    throw new ValueError("dropout", "no stream of random numbers", { random }, "an object with next()");
  }
  if (rate === 0) return x;
  const kept = new Uint8Array(x.size).map(() => (random.next() >= rate ? 1 : 0));
  return where(tensor(kept, { shape: x.shape, dtype: "bool" }), rate === 1 ? x : mul(x, 1 / (1 - rate)), 0);
}
