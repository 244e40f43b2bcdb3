import { align, defineOp, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats } from "./arguments.ts";
import { greater } from "./compare.ts";
import { log } from "./log.ts";
import { mulNoNan } from "./mul.ts";
import { sub } from "./sub.ts";
import { where } from "./where.ts";

/**
 * y = aᵇ, broadcast, as JavaScript's `a ** b`: a⁰ = 1, whatever a; NaN where a < 0 and b is not whole. ∂y/∂a = b·aᵇ⁻¹,
 * 0 where b = 0. From y = exp(b·ln a): ∂y/∂b = y·ln a where a > 0; 0 elsewhere, where there is no logarithm.
 * @throws DTypeError for mixed dtypes or all but floats, ShapeError for shapes that do not broadcast.
 * @example
 * console.log(pow(tensor([3, -2, 0]), tensor([2, 3, 0]))); // => float32[3] [9, -8, 1]
 */
export function pow(a: Tensor | number, b: Tensor | number): Tensor {
  const operands = align("pow", a, b);
  checkFloats("pow", operands);
  return powOp(operands, {});
}
const powOp = /* @__PURE__ */ defineOp({
  name: "pow",
  inputs: ["a", "b"],
  keeps: ["a", "b", "output"],
  forward: ({ a, b }) => k.pow(a, b),
  vjp: ({ a, b, output: y }) => ({
    a: (dy) => mulNoNan(mulNoNan(pow(a, sub(b, 1)), b), dy),
    b: (dy) => mulNoNan(where(greater(a, 0), mulNoNan(log(a), y), 0), dy),
  }),
});
