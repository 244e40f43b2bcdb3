import { align, defineOp, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkNumbers } from "./arguments.ts";

/**
 * y = a·b, broadcast. ∂y/∂a = b, ∂y/∂b = a; a cotangent of 0 is pulled back to 0 whatever the other factor.
 * @throws DTypeError for mixed dtypes or bool, ShapeError for shapes that do not broadcast.
 * @example
 * console.log(mul(tensor([1, 2]), 10)); // => float32[2] [10, 20]
 */
export function mul(a: Tensor | number, b: Tensor | number): Tensor {
  const operands = align("mul", a, b);
  checkNumbers("mul", operands);
  return mulOp(operands, {});
}
const mulOp = /* @__PURE__ */ defineOp({
  name: "mul",
  inputs: ["a", "b"],
  keeps: ["a", "b"],
  forward: ({ a, b }) => k.mul(a, b),
  vjp: ({ a, b }) => ({ a: (dy) => mulNoNan(b, dy), b: (dy) => mulNoNan(a, dy) }),
  backward: ({ a, b }) => ({
    a: (dy, into, beta) => k.mulNoNanInto(into, beta, b, dy),
    b: (dy, into, beta) => k.mulNoNanInto(into, beta, a, dy),
  }),
});

/**
 * y = a·b, but 0 where b is 0, even if a is NaN or infinite. Its derivatives are its own kind: ∂y/∂a takes b, ∂y/∂b
 * takes a.
 * @throws DTypeError for mixed dtypes or bool, ShapeError for shapes that do not broadcast.
 * @source TensorFlow's `multiply_no_nan`
 * @example
 * console.log(mulNoNan(tensor([NaN, 3]), tensor([0, 2]))); // => float32[2] [0, 6]
 */
export function mulNoNan(a: Tensor | number, b: Tensor | number): Tensor {
  const operands = align("mulNoNan", a, b);
  checkNumbers("mulNoNan", operands);
  return mulNoNanOp(operands, {});
}
const mulNoNanOp = /* @__PURE__ */ defineOp({
  name: "mulNoNan",
  inputs: ["a", "b"],
  keeps: ["a", "b"],
  forward: ({ a, b }) => k.mulNoNan(a, b),
  vjp: ({ a, b }) => ({ a: (dy) => mulNoNan(b, dy), b: (dy) => mulNoNan(a, dy) }),
});
