import { add } from "@gradus/core";
import * as k from "@gradus/kernels";
import { unary, type Unary } from "./makers.ts";

/**
 * y = eˣ − 1, without loss where x is small. ∂y/∂x = eˣ = y + 1.
 * @throws DTypeError for all but floats.
 * @example
 * console.log(expm1(tensor([1e-10, 1]))); // => float32[2] [1e-10, 1.7183]
 */
export const expm1: Unary = /* @__PURE__ */ unary("expm1", k.expm1, "output", (y) => add(y, 1));
