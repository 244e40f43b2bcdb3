import { asTensor, broadcastTo, isTensor, ShapeError } from "@gradus/core";
import type { Shape, Tensor, TensorLike } from "@gradus/core";
import { cast } from "./cast.ts";

/** A mask of the shape given, by default x's, or null: true, or anything but 0, means "counts". */
export function maskOf(op: string, x: Tensor, mask: TensorLike | undefined, shape: Shape = x.shape): Tensor | null {
  if (mask === undefined) return null;
  const given = conditionOf(op, "mask", mask);
  const over = shape.length - given.shape.length;
  if (over >= 0 && given.shape.every((length, axis) => length === 1 || length === shape[axis + over])) {
    return broadcastTo(given, shape);
  }
  const want = `${shape === x.shape ? "x's shape" : `[${shape.join(",")}]`}, or 1s in it`;
  throw new ShapeError(op, "the mask does not broadcast to x", { mask: given, x }, want);
}

/** A bool tensor from anything that tells true from false. */
export function conditionOf(op: string, argument: string, value: TensorLike): Tensor {
  return cast(isTensor(value) ? value : asTensor(op, argument, value, "float64"), "bool");
}
