import * as k from "@gradus/kernels";
import { unary, type Unary } from "./makers.ts";
import { mul } from "./mul.ts";
import { sub } from "./sub.ts";

/**
 * y = tanh x. ∂y/∂x = 1 − y².
 * @throws DTypeError for all but floats.
 * @example
 * console.log(tanh(tensor([0, 1]))); // => float32[2] [0, 0.76159]
 */
export const tanh: Unary = /* @__PURE__ */ unary("tanh", k.tanh, "output", (y) => sub(1, mul(y, y)), k.tanhGrad);
