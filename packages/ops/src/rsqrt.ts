import * as k from "@gradus/kernels";
import { unary, type Unary } from "./makers.ts";
import { mul } from "./mul.ts";
import { square } from "./square.ts";

/**
 * y = 1/√x. ∂y/∂x = −½·x^(−3/2) = −½·y³.
 * @throws DTypeError for all but floats.
 * @example
 * console.log(rsqrt(tensor([4, 0.25]))); // => float32[2] [0.5, 2]
 */
export const rsqrt: Unary = /* @__PURE__ */ unary("rsqrt", k.rsqrt, "output", (y) => mul(mul(y, -0.5), square(y)));
