import { defineOp, type Tensor, type TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats } from "./arguments.ts";
import { notEqual } from "./compare.ts";
import { maskOf } from "./masks.ts";
import { mulNoNan } from "./mul.ts";
import { reductionOf, type ReductionOptions } from "./reduction.ts";
import { expandDims, reshape } from "./reshape.ts";
import { softmax } from "./softmax.ts";
import { transpose } from "./transpose.ts";
import { where } from "./where.ts";

export interface LogSumExpOptions extends ReductionOptions {
  /** The places that count: true, or anything but 0. Broadcasts to x. Default: all. */
  readonly mask?: TensorLike;
}

/**
 * y = log Σᵢ exp xᵢ over the axes given and the places where `mask` is true; −∞ where none is.
 * ∂y/∂xᵢ = exp(xᵢ − y), the softmax; a row of nothing, or of nothing but −∞, has gradient 0.
 * @throws DTypeError for all but floats, IndexError for an axis that is not there or stands twice, ShapeError for a mask
 * that does not broadcast to x.
 * @source Blanchard, Higham & Higham 2021, Accurately computing the log-sum-exp and softmax functions
 * @example
 * console.log(logSumExp(tensor([1000, 1000]))); // => float32[] 1000.7
 */
export function logSumExp(x: Tensor, options: LogSumExpOptions = {}): Tensor {
  checkFloats("logSumExp", { x });
  const { axes, shape } = reductionOf("logSumExp", x, options);
  const order = [...x.shape.keys()].filter((axis) => !axes.includes(axis));
  const rows = order.map((axis) => x.shape[axis]!);
  // The axes that go become one, the last.
  const lastOf = (t: Tensor): Tensor =>
    reshape(transpose(t, { axes: [...order, ...axes] }), [...rows, x.size / k.sizeOf(rows) || 0]);
  const mask = maskOf("logSumExp", x, options.mask);
  return reshape(logSumExpOp({ x: lastOf(x) }, { mask: mask && lastOf(mask) }), shape);
}
const logSumExpOp = /* @__PURE__ */ defineOp({
  name: "logSumExp",
  inputs: ["x"],
  keeps: ["x", "output"],
  forward: ({ x }, { mask }: { mask: Tensor | null }) => k.logSumExp(x, mask && mask.array, x.shape.length - 1),
  vjp: ({ x, output }, { mask }) => ({
    x: (dy) => {
      const hasMass = expandDims(notEqual(output, -Infinity), { axis: -1 });
      const slope = where(hasMass, softmax(where(hasMass, x, 0), mask ? { mask } : {}), 0);
      return mulNoNan(slope, expandDims(dy, { axis: -1 }));
    },
  }),
  backward: ({ x, output }, { mask }) => ({
    x: (dy, into, beta) => k.logSumExpGrad(into, beta, x, mask && mask.array, output, dy, x.shape.length - 1),
  }),
});
