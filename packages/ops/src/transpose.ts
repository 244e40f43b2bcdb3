import { defineOp, IndexError, ShapeError, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axesOf, axisOf, checkOptions, checkTensor, isArray } from "./arguments.ts";

/**
 * x with its axes in another order: axis i of the result is axis `axes[i]` of x. Default: reversed. Its pull-back puts
 * them back.
 * @throws IndexError for an axis that is not there or stands twice, ShapeError if one is missing.
 * @example
 * console.log(transpose(tensor([[1, 2], [3, 4]]))); // => float32[2,2] [[1, 3], [2, 4]]
 */
export function transpose(x: Tensor, options: { readonly axes?: readonly number[] } = {}): Tensor {
  checkTensor("transpose", "x", x);
  checkOptions("transpose", options);
  const given = options.axes ?? [...x.shape.keys()].reverse();
  if (!isArray(given)) throw new IndexError("transpose", "not axes", { axes: given, x }, "an array of whole numbers");
  if (axesOf("transpose", x, given).length !== x.shape.length) {
    throw new ShapeError("transpose", "wrong number of axes", { axes: [...given], x }, `${x.shape.length} axes`);
  }
  const axes = given.map((axis) => axisOf("transpose", x, axis));
  return axes.every((axis, i) => axis === i) ? x : transposeOp({ x }, { axes });
}
const transposeOp = /* @__PURE__ */ defineOp({
  name: "transpose",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }, { axes }: { axes: readonly number[] }) => k.transpose(x, axes),
  vjp: (_, { axes }) => ({ x: (dy) => transpose(dy, { axes: axes.map((_, i) => axes.indexOf(i)) }) }),
});
