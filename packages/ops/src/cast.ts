import { defineOp, stopGradient, ValueError, type DType, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkDType, checkTensor } from "./arguments.ts";

/**
 * x in another dtype: to bool by "≠ 0", to int32 by truncation. Between floats its pull-back casts back; a result that
 * is no float is a constant.
 * @throws ValueError for a float without an int32, NaN among them.
 * @example
 * console.log(cast(tensor([1.7, -1.7, 0]), "int32")); // => int32[3] [1, -1, 0]
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  checkTensor("cast", "x", x);
  if (x.dtype === dtype) return x;
  checkDType("cast", dtype);
  if (dtype === "int32") checkIntegers(x);
  return castOp({ x: dtype === "float32" || dtype === "float64" ? x : stopGradient(x) }, { dtype, from: x.dtype });
}
const castOp = /* @__PURE__ */ defineOp({
  name: "cast",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }, { dtype }: { dtype: DType; from: DType }) => k.cast(x, dtype),
  vjp: (_, { from }) => ({ x: (dy) => cast(dy, from) }),
});

function checkIntegers(x: Tensor): void {
  const misfit = k.findIndex(x.array, (value) => !(Math.abs(Math.trunc(value) + 0.5) < 2 ** 31));
  if (misfit < 0) return;
  throw new ValueError("cast", `element ${misfit} has no int32`, { value: x.data[misfit], x }, "−2³¹ to 2³¹ − 1");
}
