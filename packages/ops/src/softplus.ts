import * as k from "@gradus/kernels";
import { unary, type Unary } from "./makers.ts";
import { sigmoid } from "./sigmoid.ts";

/**
 * y = ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), the form computed: it never overflows. ∂y/∂x = 1/(1 + e⁻ˣ) = σ(x).
 * @throws DTypeError for all but floats.
 * @example
 * console.log(softplus(tensor([0, 100]))); // => float32[2] [0.69315, 100]
 */
export const softplus: Unary = /* @__PURE__ */ unary("softplus", k.softplus, "x", sigmoid);
