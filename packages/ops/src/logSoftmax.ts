import { defineOp, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkFloats, checkOptions } from "./arguments.ts";
import { exp } from "./exp.ts";
import { maskOf } from "./masks.ts";
import { mulNoNan } from "./mul.ts";
import type { MaskedAxis, SoftmaxOptions } from "./softmax.ts";
import { sub } from "./sub.ts";
import { sum } from "./sum.ts";
import { where } from "./where.ts";

/**
 * yᵢ = xᵢ − log Σⱼ exp xⱼ along `axis`, over the places where `mask` is true; −∞ elsewhere, with gradient 0.
 * ∂yᵢ/∂xⱼ = δᵢⱼ − exp yⱼ, so dx = dy − exp(y)·Σ dy. What is masked is not read.
 * @throws DTypeError for all but floats, IndexError for an axis that is not there, ShapeError for a mask that does not
 * broadcast to x.
 * @example
 * console.log(logSoftmax(tensor([0, 0]))); // => float32[2] [-0.69315, -0.69315]
 */
export function logSoftmax(x: Tensor, options: SoftmaxOptions = {}): Tensor {
  checkFloats("logSoftmax", { x });
  checkOptions("logSoftmax", options);
  const axis = axisOf("logSoftmax", x, options.axis ?? -1);
  return logSoftmaxOp({ x }, { axis, mask: maskOf("logSoftmax", x, options.mask) });
}
const logSoftmaxOp = /* @__PURE__ */ defineOp({
  name: "logSoftmax",
  inputs: ["x"],
  keeps: ["output"],
  forward: ({ x }, { axis, mask }: MaskedAxis) => k.logSoftmax(x, mask && mask.array, axis),
  vjp: ({ output: y }, { axis, mask }) => ({
    x: (dy) => {
      const counted = (t: Tensor): Tensor => (mask ? where(mask, t, 0) : t);
      const total = sum(counted(dy), { axis, keepDims: true });
      return counted(sub(dy, mulNoNan(exp(y), total)));
    },
  }),
  backward: ({ output }, { axis, mask }) => ({
    x: (dy, into, beta) => k.logSoftmaxGrad(into, beta, output, mask && mask.array, dy, axis),
  }),
});
