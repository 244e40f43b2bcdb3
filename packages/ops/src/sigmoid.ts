import * as k from "@gradus/kernels";
import { unary, type Unary } from "./makers.ts";
import { mul } from "./mul.ts";
import { sub } from "./sub.ts";

/**
 * y = 1/(1 + e⁻ˣ). ∂y/∂x = y·(1 − y).
 * @throws DTypeError for all but floats.
 * @example
 * console.log(sigmoid(tensor([0, 2]))); // => float32[2] [0.5, 0.8808]
 */
export const sigmoid: Unary = /* @__PURE__ */ unary(
  "sigmoid",
  k.sigmoid,
  "output",
  (y) => mul(y, sub(1, y)),
  k.sigmoidGrad,
);
