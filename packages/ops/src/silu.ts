import { add } from "@gradus/core";
import * as k from "@gradus/kernels";
import { unary, type Unary } from "./makers.ts";
import { mulNoNan } from "./mul.ts";
import { sigmoid } from "./sigmoid.ts";
import { sub } from "./sub.ts";

/**
 * y = x·σ(x), σ the sigmoid. ∂y/∂x = σ + x·σ·(1 − σ) = σ·(1 + x·(1 − σ)), and its limits at ±∞: 0 and 1.
 * @throws DTypeError for all but floats.
 * @source Elfwing, Uchibe & Doya 2018
 * @example
 * console.log(silu(tensor([-Infinity, 0, 2]))); // => float32[3] [0, 0, 1.7616]
 */
export const silu: Unary = /* @__PURE__ */ unary("silu", k.silu, "x", (x) => {
  const s = sigmoid(x);
  return mulNoNan(add(mulNoNan(x, sub(1, s)), 1), s);
});
