import type { Tensor } from "@gradus/core";
import { axesOf, checkOptions, checkTensor } from "./arguments.ts";
import { slice } from "./slice.ts";

/**
 * x with the axes given, by default all, from last to first. Its pull-back flips back.
 * @throws IndexError for an axis that is not there or stands twice.
 * @source NumPy's `flip`
 * @example
 * console.log(flip(tensor([[1, 2], [3, 4]]), { axis: 1 })); // => float32[2,2] [[2, 1], [4, 3]]
 */
export function flip(x: Tensor, options: { readonly axis?: number | readonly number[] } = {}): Tensor {
  checkTensor("flip", "x", x);
  checkOptions("flip", options);
  return axesOf("flip", x, options.axis).reduce<Tensor>((y, axis) => slice(y, { axis, step: -1 }), x);
}
