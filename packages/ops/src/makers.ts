import { align, defineOp, type NdArray, type Tensor, type TensorLike } from "@gradus/core";
import type * as k from "@gradus/kernels";
import { checkFloats } from "./arguments.ts";
import { conditionOf } from "./masks.ts";
import { mulNoNan } from "./mul.ts";

export type Unary = (x: Tensor) => Tensor;
export type Comparison = (a: Tensor | number, b: Tensor | number) => Tensor;
export type Logical = (a: TensorLike, b: TensorLike) => Tensor;

/**
 * An elementwise function y = f(x) of floats, from its kernel and its slope as a function of what it keeps: x, or y.
 * Where the cotangent is 0 its pull-back is 0, whatever the slope: hence `mulNoNan`.
 */
export function unary(
  name: string,
  kernel: (x: NdArray) => NdArray,
  keeps: "x" | "output",
  slope: (kept: Tensor) => Tensor,
  slopeKernel?: k.SlopeKernel,
): Unary {
  const kept = keeps as "x"; // one of the two; the types need not tell which
  const op = defineOp({
    name,
    inputs: ["x"],
    keeps: [kept],
    forward: ({ x }) => kernel(x),
    vjp: ({ [kept]: value }) => ({ x: (dy) => mulNoNan(slope(value), dy) }),
    backward: slopeKernel && (({ [kept]: value }) => ({ x: (dy, into, beta) => slopeKernel(into, beta, value, dy) })),
  });
  return (x) => {
    checkFloats(name, { x });
    return op({ x }, {});
  };
}

/** An elementwise comparison, broadcast; its result is bool and takes no gradient. */
export function comparison(name: string, kernel: k.BinaryKernel): Comparison {
  const op = defineOp({
    name,
    inputs: [],
    indices: ["a", "b"],
    keeps: [],
    forward: ({ a, b }) => kernel(a, b),
    vjp: () => ({}),
  });
  return (a, b) => op(align(name, a, b), {});
}

/** A function of two truths, broadcast; its result is bool and takes no gradient. */
export function logical(name: string, kernel: k.BinaryKernel): Logical {
  const op = comparison(name, kernel);
  return (a, b) => op(conditionOf(name, "a", a), conditionOf(name, "b", b));
}
