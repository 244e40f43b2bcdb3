import * as k from "@gradus/kernels";
import { div } from "./div.ts";
import { unary, type Unary } from "./makers.ts";

/**
 * y = ln x. ∂y/∂x = 1/x. −∞ at 0, NaN below.
 * @throws DTypeError for all but floats.
 * @example
 * console.log(log(tensor([1, 10]))); // => float32[2] [0, 2.3026]
 */
export const log: Unary = /* @__PURE__ */ unary("log", k.log, "x", (x) => div(1, x));
