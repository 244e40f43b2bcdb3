import { align, defineOp, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats } from "./arguments.ts";
import { mulNoNan } from "./mul.ts";
import { neg } from "./neg.ts";

/**
 * y = a/b, broadcast. ∂y/∂a = 1/b, ∂y/∂b = −y/b.
 * @throws DTypeError for mixed dtypes or all but floats, ShapeError for shapes that do not broadcast.
 * @example
 * console.log(div(tensor([1, -1]), tensor([4, 0]))); // => float32[2] [0.25, -Infinity]
 */
export function div(a: Tensor | number, b: Tensor | number): Tensor {
  const operands = align("div", a, b);
  checkFloats("div", operands);
  return divOp(operands, {});
}
const divOp = /* @__PURE__ */ defineOp({
  name: "div",
  inputs: ["a", "b"],
  keeps: ["b", "output"],
  forward: ({ a, b }) => k.div(a, b),
  vjp: ({ b, output: y }) => ({
    a: (dy) => mulNoNan(div(1, b), dy),
    b: (dy) => mulNoNan(neg(div(y, b)), dy),
  }),
});

/**
 * y = a/b, but 0 where b is 0, with gradient 0. ∂y/∂a = 1/b, ∂y/∂b = −y/b.
 * @source TensorFlow's `divide_no_nan`
 * @example
 * console.log(divNoNan(tensor([1, 1]), tensor([4, 0]))); // => float32[2] [0.25, 0]
 */
export function divNoNan(a: Tensor | number, b: Tensor | number): Tensor {
  const operands = align("divNoNan", a, b);
  checkFloats("divNoNan", operands);
  return divNoNanOp(operands, {});
}
const divNoNanOp = /* @__PURE__ */ defineOp({
  name: "divNoNan",
  inputs: ["a", "b"],
  keeps: ["b", "output"],
  forward: ({ a, b }) => k.divNoNan(a, b),
  vjp: ({ b, output: y }) => ({
    a: (dy) => mulNoNan(divNoNan(1, b), dy),
    b: (dy) => mulNoNan(neg(divNoNan(y, b)), dy),
  }),
});
