import { align, defineOp, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkNumbers } from "./arguments.ts";
import { neg } from "./neg.ts";

/**
 * y = a − b, broadcast. ∂y/∂a = 1, ∂y/∂b = −1.
 * @throws DTypeError for mixed dtypes or bool, ShapeError for shapes that do not broadcast.
 * @example
 * console.log(sub(5, tensor([1, 2]))); // => float32[2] [4, 3]
 */
export function sub(a: Tensor | number, b: Tensor | number): Tensor {
  const operands = align("sub", a, b);
  checkNumbers("sub", operands);
  return subOp(operands, {});
}
const subOp = /* @__PURE__ */ defineOp({
  name: "sub",
  inputs: ["a", "b"],
  keeps: [],
  forward: ({ a, b }) => k.sub(a, b),
  vjp: () => ({ a: (dy) => dy, b: (dy) => neg(dy) }),
});
