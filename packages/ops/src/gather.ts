import { asTensor, defineOp, ShapeError, type Tensor, type TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkNumbers, checkOptions, checkTensor, indicesOf } from "./arguments.ts";
import { slice } from "./slice.ts";

/**
 * y[…i…] = x[…index[…i…]…] along `axis`, by default the last: an index for each element of y. Elsewhere than along the
 * axis the index may be shorter than x. Its pull-back adds each dy to the place its value came from.
 * @throws IndexError for an index or axis out of range, ShapeError for an index of another rank or longer than x.
 * @source PyTorch's `gather`
 * @example
 * console.log(gather(tensor([[1, 2], [3, 4]]), [[1], [0]])); // => float32[2,1] [[2], [3]]
 */
export function gather(x: Tensor, index: TensorLike, options: { readonly axis?: number } = {}): Tensor {
  checkTensor("gather", "x", x);
  checkOptions("gather", options);
  const axis = axisOf("gather", x, options.axis ?? -1);
  const at = indicesOf("gather", "index", index, x.shape[axis]!);
  if (at.shape.length !== x.shape.length || at.shape.some((length, i) => i !== axis && length > x.shape[i]!)) {
    throw new ShapeError("gather", "the index does not fit x", { index: at, x, axis }, "x's shape but along the axis");
  }
  const cut = at.shape.reduce((t, end, i) => (i === axis ? t : slice(t, { axis: i, end })), x);
  return gatherOp({ x: cut, index: at }, { axis });
}
const gatherOp = /* @__PURE__ */ defineOp({
  name: "gather",
  inputs: ["x"],
  indices: ["index"],
  keeps: [],
  forward: ({ x, index }, { axis }: { axis: number }) => k.gather(x, index, axis),
  vjp: ({ index, shapes }, { axis }) => ({ x: (dy) => scatterAdd(dy, index, { axis, size: shapes.x[axis]! }) }),
  backward: ({ index }, { axis }) => ({ x: (dy, into, beta) => k.scatterAddInto(into, beta, dy, index, axis) }),
});

/**
 * y[…index[…i…]…] = Σ x[…i…] along `axis`, by default the last, which has length `size` in y: 0 where no index points.
 * Its pull-back is `gather`.
 * @throws IndexError for an index or axis out of range, ShapeError for an index of another shape than x, DTypeError for
 * bool.
 * @example
 * console.log(scatterAdd(tensor([1, 2, 3]), [0, 2, 0], { size: 4 })); // => float32[4] [4, 0, 2, 0]
 */
export function scatterAdd(
  x: Tensor,
  index: TensorLike,
  options: { readonly axis?: number; readonly size: number },
): Tensor {
  checkNumbers("scatterAdd", { x });
  checkOptions("scatterAdd", options);
  const { size } = options;
  const axis = axisOf("scatterAdd", x, options.axis ?? -1);
  if (!Number.isInteger(size) || size < 0) {
    throw new ShapeError("scatterAdd", "no such size", { size }, "a whole number from 0");
  }
  const at = indicesOf("scatterAdd", "index", asTensor("scatterAdd", "index", index, "int32"), size);
  if (!k.sameShape(at.shape, x.shape)) {
    throw new ShapeError("scatterAdd", "the index does not fit x", { index: at, x }, "x's shape");
  }
  return scatterAddOp({ x, index: at }, { axis, size });
}
const scatterAddOp = /* @__PURE__ */ defineOp({
  name: "scatterAdd",
  inputs: ["x"],
  indices: ["index"],
  keeps: [],
  forward: ({ x, index }, { axis, size }: { axis: number; size: number }) => k.scatterAdd(x, index, axis, size),
  vjp: ({ index }, { axis }) => ({ x: (dy) => gather(dy, index, { axis }) }),
});
