import { tensor, zeros, type Shape, type Tensor } from "@gradus/core";
import { concat, take } from "@gradus/ops";

/**
 * Rows of x [R, W] by number, in any order; `shape` is the numbers': [...shape, W]. −1 stands for a row of zeros.
 * What no number points to is not read, and its gradient is 0: this is how padding is kept out.
 */
export function takeRows(x: Tensor, numbers: readonly number[], shape: Shape): Tensor {
  const [count, width] = x.shape as readonly [number, number];
  const padded = numbers.includes(-1) ? concat([x, zeros([1, width], { dtype: x.dtype })]) : x;
  const index = numbers.map((i) => (i === -1 ? count : i));
  return take(padded, tensor(index, { shape, dtype: "int32" }));
}
