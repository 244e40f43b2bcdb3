import { add, defineOp, ValueError, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats, checkOptions } from "./arguments.ts";
import { erf } from "./erf.ts";
import { exp } from "./exp.ts";
import { mul, mulNoNan } from "./mul.ts";
import { sigmoid } from "./sigmoid.ts";
import { square } from "./square.ts";
import { sub } from "./sub.ts";

export interface GeluOptions {
  /** Default: "none". */
  readonly approximate?: "none" | "tanh";
}

/**
 * y = x·Φ(x), Φ(x) = ½(1 + erf(x/√2)). ∂y/∂x = Φ + x·φ, φ(x) = exp(−x²/2)/√(2π).
 * With approximate "tanh": y = ½x(1 + tanh u) = x·σ(2u), u = √(2/π)(x + 0.044715x³), by 1 + tanh u = 2σ(2u).
 * ∂y/∂x = σ·(1 + x·(1 − σ)·2u′), u′ = √(2/π)(1 + 3·0.044715x²). Both have their limits at ±∞: 0 and 1.
 * @throws ValueError for another approximation, DTypeError for all but floats.
 * @source Hendrycks & Gimpel 2016
 * @example
 * console.log(gelu(tensor([-1, 0, 2]))); // => float32[3] [-0.15866, 0, 1.9545]
 * console.log(gelu(tensor([-1, 0, 2]), { approximate: "tanh" })); // => float32[3] [-0.15881, 0, 1.9546]
 */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  checkFloats("gelu", { x });
  checkOptions("gelu", options);
  const { approximate = "none" } = options;
  if (approximate !== "none" && approximate !== "tanh") {
    throw new ValueError("gelu", "no such approximation", { approximate }, "none or tanh");
  }
  return geluOp({ x }, { tanh: approximate === "tanh" });
}
const geluOp = /* @__PURE__ */ defineOp({
  name: "gelu",
  inputs: ["x"],
  keeps: ["x"],
  forward: ({ x }, { tanh }: { tanh: boolean }) => (tanh ? k.geluTanh(x) : k.gelu(x)),
  vjp: ({ x }, { tanh }) => ({ x: (dy) => mulNoNan(tanh ? slopeOfTanh(x) : slope(x), dy) }),
});

function slope(x: Tensor): Tensor {
  const below = mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
  const density = mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return add(below, mulNoNan(x, density));
}

function slopeOfTanh(x: Tensor): Tensor {
  const twice = 2 * Math.sqrt(2 / Math.PI);
  const s = sigmoid(mul(mul(x, add(mul(square(x), 0.044715), 1)), twice));
  const steep = mul(mul(x, add(mul(square(x), 3 * 0.044715), 1)), twice);
  return mulNoNan(add(mulNoNan(steep, sub(1, s)), 1), s);
}
