import { defineOp, type Tensor, type TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkOptions, checkTensor, indicesOf } from "./arguments.ts";

/**
 * Whole slices of x along `axis`, by default the first, in the index's order: an embedding, for a table [V, E] and
 * indices [B, T]: [B, T, E]. Its pull-back adds each slice of dy to the one it came from.
 * @throws IndexError for an index or axis out of range.
 * @source NumPy's `take`
 * @example
 * console.log(take(tensor([[1, 2], [3, 4]]), [1, 1, 0])); // => float32[3,2] [[3, 4], [3, 4], [1, 2]]
 */
export function take(x: Tensor, index: TensorLike, options: { readonly axis?: number } = {}): Tensor {
  checkTensor("take", "x", x);
  checkOptions("take", options);
  const axis = axisOf("take", x, options.axis ?? 0);
  return takeOp({ x, index: indicesOf("take", "index", index, x.shape[axis]!) }, { axis });
}
const takeOp = /* @__PURE__ */ defineOp({
  name: "take",
  inputs: ["x"],
  indices: ["index"],
  keeps: [],
  forward: ({ x, index }, { axis }: { axis: number }) => k.take(x, index, axis),
  vjp: ({ index, shapes }, { axis }) => ({ x: (dy) => putOp({ x: dy, index }, { axis, size: shapes.x[axis]! }) }),
  backward: ({ index }, { axis }) => ({ x: (dy, into, beta) => k.takeGrad(into, beta, dy, index, axis) }),
});

/** Adds slices to their places in zeros: the transpose of `take`. */
const putOp = /* @__PURE__ */ defineOp({
  name: "put",
  inputs: ["x"],
  indices: ["index"],
  keeps: [],
  forward: ({ x, index }, { axis, size }: { axis: number; size: number }) => k.put(x, index, axis, size),
  vjp: ({ index }, { axis }) => ({ x: (dy) => take(dy, index, { axis }) }),
});
