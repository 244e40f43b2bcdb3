import { asTensor, broadcastTo, isTensor, ShapeError } from "@gradus/core";
import type { Shape, Tensor, TensorLike } from "@gradus/core";
import { cast } from "./cast.ts";

/** A mask of x's shape, or null: true, or anything but 0, means "counts". `shape` may have 1s where the mask has them. */
export function maskOf(op: string, x: Tensor, mask: TensorLike | undefined, shape: Shape = x.shape): Tensor | null {
  if (mask === undefined) return null;
  const given = conditionOf(op, "mask", mask);
  const over = x.shape.length - given.shape.length;
  const fits = over >= 0 && given.shape.every((length, axis) => length === 1 || length === x.shape[axis + over]);
  if (!fits) throw new ShapeError(op, "the mask does not broadcast to x", { mask: given, x }, "x's shape, or 1s in it");
  return broadcastTo(given, shape);
}

/** A bool tensor from anything that tells true from false. */
export function conditionOf(op: string, argument: string, value: TensorLike): Tensor {
  return cast(isTensor(value) ? value : asTensor(op, argument, value, "float64"), "bool");
}
