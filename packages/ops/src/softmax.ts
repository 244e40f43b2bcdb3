import { defineOp, type Tensor, type TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkFloats, checkOptions } from "./arguments.ts";
import { notEqual } from "./compare.ts";
import { maskOf } from "./masks.ts";
import { mulNoNan } from "./mul.ts";
import { sub } from "./sub.ts";
import { sum } from "./sum.ts";
import { where } from "./where.ts";

export interface SoftmaxOptions {
  /** Default: the last. */
  readonly axis?: number;
  /** The places that count: true, or anything but 0. Broadcasts to x. Default: all. */
  readonly mask?: TensorLike;
}

/** What a softmax needs beside x. */
export interface MaskedAxis {
  readonly axis: number;
  readonly mask: Tensor | null;
}

/**
 * yᵢ = exp xᵢ / Σⱼ exp xⱼ along `axis`, over the places where `mask` is true; 0 elsewhere, also where a row has none.
 * ∂yᵢ/∂xⱼ = yᵢ·(δᵢⱼ − yⱼ), so dx = y·dy − y·Σ y·dy. What is masked is not read.
 * @throws DTypeError for all but floats, IndexError for an axis that is not there, ShapeError for a mask that does not
 * broadcast to x.
 * @example
 * console.log(softmax(tensor([1, 1, NaN]), { mask: [1, 1, 0] })); // => float32[3] [0.5, 0.5, 0]
 */
export function softmax(x: Tensor, options: SoftmaxOptions = {}): Tensor {
  checkFloats("softmax", { x });
  checkOptions("softmax", options);
  const axis = axisOf("softmax", x, options.axis ?? -1);
  return softmaxOp({ x }, { axis, mask: maskOf("softmax", x, options.mask) });
}
const softmaxOp = /* @__PURE__ */ defineOp({
  name: "softmax",
  inputs: ["x"],
  keeps: ["output"],
  forward: ({ x }, { axis, mask }: MaskedAxis) => k.softmax(x, mask && mask.array, axis),
  vjp: ({ output: y }, { axis }) => ({
    x: (dy) => {
      const weighted = mulNoNan(y, where(notEqual(y, 0), dy, 0)); // what has no share has no say, whatever its dy is
      return sub(weighted, mulNoNan(y, sum(weighted, { axis, keepDims: true })));
    },
  }),
  backward: ({ output }, { axis }) => ({ x: (dy, into, beta) => k.softmaxGrad(into, beta, output, dy, axis) }),
});
