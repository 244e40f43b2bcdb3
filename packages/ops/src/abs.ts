import { defineOp, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats } from "./arguments.ts";
import { unary, type Unary } from "./makers.ts";

/**
 * y = |x|. ∂y/∂x = sign x: 0 at 0, the middle of the slopes −1 and 1 that meet there.
 * @throws DTypeError for all but floats.
 * @example
 * console.log(abs(tensor([-2, 3]))); // => float32[2] [2, 3]
 */
export const abs: Unary = /* @__PURE__ */ unary("abs", k.abs, "x", sign);

/**
 * y = −1 where x < 0, 1 where x > 0, else x: ±0 or NaN. No gradient: it is constant by pieces.
 * @throws DTypeError for all but floats.
 * @example
 * console.log(sign(tensor([-2, 0, 3]))); // => float32[3] [-1, 0, 1]
 */
export function sign(x: Tensor): Tensor {
  checkFloats("sign", { x });
  return signOp({ x }, {});
}
const signOp = /* @__PURE__ */ defineOp({
  name: "sign",
  inputs: [],
  indices: ["x"],
  keeps: [],
  forward: ({ x }) => k.sign(x),
  vjp: () => ({}),
});
