import { defineOp, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkNumbers } from "./arguments.ts";

/**
 * y = −x. ∂y/∂x = −1.
 * @throws DTypeError for bool.
 * @example
 * console.log(neg(tensor([1, -2]))); // => float32[2] [-1, 2]
 */
export function neg(x: Tensor): Tensor {
  checkNumbers("neg", { x });
  return negOp({ x }, {});
}
const negOp = /* @__PURE__ */ defineOp({
  name: "neg",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }) => k.neg(x),
  vjp: () => ({ x: (dy) => neg(dy) }),
});
