import * as k from "@gradus/kernels";
import { unary, type Unary } from "./makers.ts";

/**
 * y = eˣ. ∂y/∂x = y.
 * @throws DTypeError for all but floats.
 * @example
 * console.log(exp(tensor([0, 1]))); // => float32[2] [1, 2.7183]
 */
export const exp: Unary = /* @__PURE__ */ unary("exp", k.exp, "output", (y) => y);
