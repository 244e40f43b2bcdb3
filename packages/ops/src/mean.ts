import type { Tensor } from "@gradus/core";
import { sizeOf } from "@gradus/kernels";
import { checkFloats } from "./arguments.ts";
import { div } from "./div.ts";
import { reductionOf, type ReductionOptions } from "./reduction.ts";
import { sum } from "./sum.ts";

/**
 * y = Σ x / n over the axes given. ∂y/∂x = 1/n. NaN over nothing.
 * @throws DTypeError for all but floats, IndexError for an axis that is not there or stands twice.
 * @example
 * console.log(mean(tensor([[1, 2], [3, 4]]))); // => float32[] 2.5
 */
export function mean(x: Tensor, options: ReductionOptions = {}): Tensor {
  const { axes } = reductionOf("mean", x, options);
  checkFloats("mean", { x });
  return div(sum(x, options), sizeOf(axes.map((axis) => x.shape[axis]!)));
}
