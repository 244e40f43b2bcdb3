import { DTypeError, ShapeError, type Tensor } from "@gradus/core";
import { checkNumbers } from "./arguments.ts";
import { mul } from "./mul.ts";
import { expandDims } from "./reshape.ts";

/**
 * yᵢⱼ = aᵢ·bⱼ, of two vectors. daᵢ = Σⱼ dyᵢⱼ·bⱼ, dbⱼ = Σᵢ dyᵢⱼ·aᵢ.
 * @throws ShapeError for all but vectors, DTypeError for mixed dtypes or bool.
 * @example
 * console.log(outer(tensor([1, 2]), tensor([3, 4]))); // => float32[2,2] [[3, 4], [6, 8]]
 */
export function outer(a: Tensor, b: Tensor): Tensor {
  checkNumbers("outer", { a, b });
  if (a.dtype !== b.dtype) throw new DTypeError("outer", "mixed dtypes", { a, b }, "one dtype");
  if (a.shape.length !== 1 || b.shape.length !== 1) {
    throw new ShapeError("outer", "not vectors", { a, b }, "one axis each");
  }
  return mul(expandDims(a, { axis: 1 }), expandDims(b, { axis: 0 }));
}
