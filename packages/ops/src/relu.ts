import { defineOp, ValueError, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats, checkOptions } from "./arguments.ts";
import { cast } from "./cast.ts";
import { greater, notEqual } from "./compare.ts";
import { unary, type Unary } from "./makers.ts";
import { mul } from "./mul.ts";
import { where } from "./where.ts";

/**
 * y = max(x, 0); NaN stays. ∂y/∂x = 1 where y ≠ 0, else 0: so at 0 too.
 * @throws DTypeError for all but floats.
 * @example
 * console.log(relu(tensor([-2, 3]))); // => float32[2] [0, 3]
 */
export const relu: Unary = /* @__PURE__ */ unary(
  "relu",
  k.relu,
  "output",
  (y) => cast(notEqual(y, 0), y.dtype),
  k.reluGrad,
);

export interface LeakyReluOptions {
  /** Default: 0.01. */
  readonly negativeSlope?: number;
}

/**
 * y = x where x > 0, else `negativeSlope`·x. ∂y/∂x = 1 where x > 0, else `negativeSlope`: so at 0 too.
 * @throws DTypeError for all but floats, ValueError for a slope that is not finite.
 * @source Maas, Hannun & Ng 2013
 * @example
 * console.log(leakyRelu(tensor([-2, 3]), { negativeSlope: 0.25 })); // => float32[2] [-0.5, 3]
 */
export function leakyRelu(x: Tensor, options: LeakyReluOptions = {}): Tensor {
  checkFloats("leakyRelu", { x });
  checkOptions("leakyRelu", options);
  const { negativeSlope = 0.01 } = options;
  if (!Number.isFinite(negativeSlope)) {
    throw new ValueError("leakyRelu", "no such slope", { negativeSlope, x }, "a finite number");
  }
  return leakyReluOp({ x }, { negativeSlope });
}
const leakyReluOp = /* @__PURE__ */ defineOp({
  name: "leakyRelu",
  inputs: ["x"],
  keeps: ["x"],
  forward: ({ x }, { negativeSlope }: { negativeSlope: number }) => k.leakyRelu(x, negativeSlope),
  vjp: ({ x }, { negativeSlope }) => ({ x: (dy) => where(greater(x, 0), dy, mul(dy, negativeSlope)) }),
});
