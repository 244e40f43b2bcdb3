import * as k from "@gradus/kernels";
import { exp } from "./exp.ts";
import { unary, type Unary } from "./makers.ts";
import { mul } from "./mul.ts";
import { neg } from "./neg.ts";
import { square } from "./square.ts";

/**
 * y = (2/√π)·∫ exp(−t²) dt from 0 to x. ∂y/∂x = (2/√π)·exp(−x²).
 * @throws DTypeError for all but floats.
 * @source rational approximations of fdlibm's s_erf.c, by Sun Microsystems 1993
 * @example
 * console.log(erf(tensor([0, 1]))); // => float32[2] [0, 0.8427]
 */
export const erf: Unary = /* @__PURE__ */ unary("erf", k.erf, "x", (x) => {
  return mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI));
});
