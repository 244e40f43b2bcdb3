import { sumTo, type Tensor } from "@gradus/core";
import { cast } from "./cast.ts";
import { reductionOf, type ReductionOptions } from "./reduction.ts";
import { reshape } from "./reshape.ts";

/**
 * y = Σ x over the axes given. Every x has slope 1. Each sum is one float64 accumulator in row order. Over nothing it
 * is 0; of bool it counts, in int32.
 * @throws IndexError for an axis that is not there or stands twice.
 * @example
 * console.log(sum(tensor([[1, 2], [3, 4]]), { axis: 0 })); // => float32[2] [4, 6]
 */
export function sum(x: Tensor, options: ReductionOptions = {}): Tensor {
  const { kept, shape } = reductionOf("sum", x, options);
  return reshape(sumTo(x.dtype === "bool" ? cast(x, "int32") : x, kept), shape);
}
