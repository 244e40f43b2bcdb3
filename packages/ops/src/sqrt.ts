import * as k from "@gradus/kernels";
import { div } from "./div.ts";
import { unary, type Unary } from "./makers.ts";

/**
 * y = √x. ∂y/∂x = 1/(2y), ∞ at 0. NaN below.
 * @throws DTypeError for all but floats.
 * @example
 * console.log(sqrt(tensor([4, 2]))); // => float32[2] [2, 1.4142]
 */
export const sqrt: Unary = /* @__PURE__ */ unary("sqrt", k.sqrt, "output", (y) => div(0.5, y));
