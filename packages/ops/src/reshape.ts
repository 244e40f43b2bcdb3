import { defineOp, ShapeError, type Shape, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axesOf, axisOf, checkOptions, checkTensor, isArray } from "./arguments.ts";

/**
 * The same elements, in order, under another shape; one length may be −1: whatever is left. Its pull-back reshapes back.
 * @throws ShapeError if the sizes differ.
 * @example
 * console.log(reshape(tensor([1, 2, 3, 4]), [2, -1])); // => float32[2,2] [[1, 2], [3, 4]]
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  checkTensor("reshape", "x", x);
  if (!isArray(shape) || shape.some((length) => typeof length !== "number"))
    throw new ShapeError("reshape", "not a shape", { shape }, "an array of whole numbers");
  if (k.sameShape(shape, x.shape)) return x;
  const known = k.sizeOf(shape.filter((length) => length !== -1));
  const full = shape.map((length) => (length === -1 ? x.size / known : length));
  const valid =
    full.every((length) => Number.isInteger(length) && length >= 0) &&
    full.length - shape.filter((l) => l !== -1).length <= 1;
  if (!valid || k.sizeOf(full) !== x.size) {
    throw new ShapeError("reshape", "the sizes differ", { x, shape }, `${x.size} elements`);
  }
  return reshapeOp({ x }, { shape: full });
}
const reshapeOp = /* @__PURE__ */ defineOp({
  name: "reshape",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }, { shape }: { shape: Shape }) => k.reshaped(x, shape),
  vjp: ({ shapes }) => ({ x: (dy) => reshape(dy, shapes.x) }),
});

/**
 * x without axes of length 1: those given, or all.
 * @throws ShapeError for an axis of another length, IndexError for one that is not there.
 * @example
 * console.log(squeeze(tensor([[[1, 2]]]), { axis: 0 })); // => float32[1,2] [[1, 2]]
 */
export function squeeze(x: Tensor, options: { readonly axis?: number | readonly number[] } = {}): Tensor {
  checkTensor("squeeze", "x", x);
  checkOptions("squeeze", options);
  const all = options.axis === undefined;
  const axes = axesOf("squeeze", x, options.axis).filter((axis) => !all || x.shape[axis] === 1);
  if (axes.some((axis) => x.shape[axis] !== 1)) {
    throw new ShapeError("squeeze", "an axis that is not of length 1", { axis: axes, x }, "axes of length 1");
  }
  return reshape(
    x,
    x.shape.filter((_, axis) => !axes.includes(axis)),
  );
}

/**
 * x with a new axis of length 1 at `axis` of the result.
 * @throws IndexError for an axis outside −rank − 1 to rank.
 * @example
 * console.log(expandDims(tensor([1, 2]), { axis: -1 })); // => float32[2,1] [[1], [2]]
 */
export function expandDims(x: Tensor, options: { readonly axis: number }): Tensor {
  checkTensor("expandDims", "x", x);
  checkOptions("expandDims", options);
  const axis = axisOf("expandDims", x, options.axis, x.shape.length + 1);
  return reshape(x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]);
}
