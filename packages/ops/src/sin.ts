import * as k from "@gradus/kernels";
import { unary, type Unary } from "./makers.ts";
import { neg } from "./neg.ts";

/**
 * y = sin x. ∂y/∂x = cos x.
 * @throws DTypeError for all but floats.
 * @example
 * console.log(sin(tensor([0, Math.PI / 2]))); // => float32[2] [0, 1]
 */
export const sin: Unary = /* @__PURE__ */ unary("sin", k.sin, "x", (x) => cos(x));

/**
 * y = cos x. ∂y/∂x = −sin x.
 * @throws DTypeError for all but floats.
 * @example
 * console.log(cos(tensor([0, Math.PI]))); // => float32[2] [1, -1]
 */
export const cos: Unary = /* @__PURE__ */ unary("cos", k.cos, "x", (x) => neg(sin(x)));
