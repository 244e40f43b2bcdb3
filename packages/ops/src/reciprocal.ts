import * as k from "@gradus/kernels";
import { unary, type Unary } from "./makers.ts";
import { neg } from "./neg.ts";
import { square } from "./square.ts";

/**
 * y = 1/x. ∂y/∂x = −1/x² = −y².
 * @throws DTypeError for all but floats.
 * @example
 * console.log(reciprocal(tensor([4, -0.5]))); // => float32[2] [0.25, -2]
 */
export const reciprocal: Unary = /* @__PURE__ */ unary("reciprocal", k.reciprocal, "output", (y) => neg(square(y)));
