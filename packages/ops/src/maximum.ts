import { add, align, defineOp, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkNumbers } from "./arguments.ts";
import { cast } from "./cast.ts";
import { greater, greaterEqual } from "./compare.ts";
import { mul, mulNoNan } from "./mul.ts";

/**
 * y = the larger of a and b, broadcast; NaN where one is NaN. ∂y/∂a = 1 where a > b, ½ where a = b, else 0; ∂y/∂b the
 * rest: a tie is shared evenly.
 * @throws DTypeError for mixed dtypes or bool, ShapeError for shapes that do not broadcast.
 * @example
 * console.log(maximum(tensor([1, 5]), 3)); // => float32[2] [3, 5]
 */
export function maximum(a: Tensor | number, b: Tensor | number): Tensor {
  const operands = align("maximum", a, b);
  checkNumbers("maximum", operands);
  return maximumOp(operands, {});
}
const maximumOp = /* @__PURE__ */ defineOp({
  name: "maximum",
  inputs: ["a", "b"],
  keeps: ["a", "b"],
  forward: ({ a, b }) => k.maximum(a, b),
  vjp: ({ a, b }) => ({ a: (dy) => mulNoNan(above(a, b, dy), dy), b: (dy) => mulNoNan(above(b, a, dy), dy) }),
});

/**
 * y = the smaller of a and b, broadcast; NaN where one is NaN. ∂y/∂a = 1 where a < b, ½ where a = b, else 0; ∂y/∂b the
 * rest: a tie is shared evenly.
 * @throws DTypeError for mixed dtypes or bool, ShapeError for shapes that do not broadcast.
 * @example
 * console.log(minimum(tensor([1, 5]), 3)); // => float32[2] [1, 3]
 */
export function minimum(a: Tensor | number, b: Tensor | number): Tensor {
  const operands = align("minimum", a, b);
  checkNumbers("minimum", operands);
  return minimumOp(operands, {});
}
const minimumOp = /* @__PURE__ */ defineOp({
  name: "minimum",
  inputs: ["a", "b"],
  keeps: ["a", "b"],
  forward: ({ a, b }) => k.minimum(a, b),
  vjp: ({ a, b }) => ({ a: (dy) => mulNoNan(above(b, a, dy), dy), b: (dy) => mulNoNan(above(a, b, dy), dy) }),
});

/** 1 where a > b, ½ where a = b, else 0; in the dtype of dy. */
function above(a: Tensor, b: Tensor, { dtype }: Tensor): Tensor {
  return mul(add(cast(greater(a, b), dtype), cast(greaterEqual(a, b), dtype)), 0.5);
}
