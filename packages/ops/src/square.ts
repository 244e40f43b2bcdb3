import * as k from "@gradus/kernels";
import { unary, type Unary } from "./makers.ts";
import { mul } from "./mul.ts";

/**
 * y = x². ∂y/∂x = 2x.
 * @throws DTypeError for all but floats.
 * @example
 * console.log(square(tensor([3, -4]))); // => float32[2] [9, 16]
 */
export const square: Unary = /* @__PURE__ */ unary("square", k.square, "x", (x) => mul(x, 2));
