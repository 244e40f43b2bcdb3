import { add } from "@gradus/core";
import * as k from "@gradus/kernels";
import { unary, type Unary } from "./makers.ts";
import { reciprocal } from "./reciprocal.ts";

/**
 * y = ln(1 + x), without loss where x is small. ∂y/∂x = 1/(1 + x).
 * @throws DTypeError for all but floats.
 * @example
 * console.log(log1p(tensor([1e-10, 1]))); // => float32[2] [1e-10, 0.69315]
 */
export const log1p: Unary = /* @__PURE__ */ unary("log1p", k.log1p, "x", (x) => reciprocal(add(x, 1)));
