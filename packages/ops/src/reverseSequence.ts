import { asTensor, ShapeError, tensor, ValueError, type Tensor, type TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkTensor } from "./arguments.ts";
import { reshape } from "./reshape.ts";
import { take } from "./take.ts";

/**
 * The first `lengths[b]` steps of each row of x [B, T, …] from last to first; the rest stays where it is. Its pull-back
 * does the same.
 * @throws ShapeError for an x without time, or lengths other than [B]; ValueError for a length outside 0 to T.
 * @source TensorFlow's `reverse_sequence`
 * @example
 * console.log(reverseSequence(tensor([[1, 2, 3], [4, 5, 6]]), [2, 3])); // => float32[2,3] [[2, 1, 3], [6, 5, 4]]
 */
export function reverseSequence(x: Tensor, lengths: TensorLike): Tensor {
  const op = "reverseSequence";
  checkTensor(op, "x", x);
  if (x.shape.length < 2) throw new ShapeError(op, "no time", { x }, "[B, T, …]");
  const [rows, steps, ...rest] = x.shape as [number, number, ...number[]];
  const given = asTensor(op, "lengths", lengths, "int32");
  if (!k.sameShape(given.shape, [rows])) {
    throw new ShapeError(op, "the lengths do not fit x", { lengths: given, x }, "one length for each row of x");
  }
  const ends = given.data;
  const odd = ends.findIndex((length) => length < 0 || length > steps);
  if (odd >= 0) throw new ValueError(op, "no such length", { [`lengths[${odd}]`]: ends[odd], x }, `0 to ${steps}`);
  const from = Array.from({ length: rows * steps }, (_, i) => {
    const [row, step] = [Math.floor(i / steps), i % steps];
    return row * steps + (step < ends[row]! ? ends[row]! - 1 - step : step);
  });
  const flat = reshape(x, [rows * steps, ...rest]);
  return reshape(take(flat, tensor(from, { shape: [rows * steps], dtype: "int32" })), x.shape);
}
