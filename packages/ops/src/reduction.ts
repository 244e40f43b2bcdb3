import type { Shape, Tensor } from "@gradus/core";
import { axesOf, checkOptions, checkTensor } from "./arguments.ts";

export interface ReductionOptions {
  /** Axes to reduce; negative ones count from the end. Default: all. */
  readonly axis?: number | readonly number[];
  /** Keep the reduced axes, with length 1. Default: false. */
  readonly keepDims?: boolean;
}

/** The axes of a reduction, x's shape with those axes 1, and the shape of the result. */
export function reductionOf(
  op: string,
  x: Tensor,
  options: ReductionOptions,
): { readonly axes: readonly number[]; readonly kept: Shape; readonly shape: Shape } {
  checkTensor(op, "x", x);
  checkOptions(op, options);
  const { axis, keepDims = false } = options;
  const axes = axesOf(op, x, axis);
  const kept = x.shape.map((length, i) => (axes.includes(i) ? 1 : length));
  return { axes, kept, shape: keepDims ? kept : x.shape.filter((_, i) => !axes.includes(i)) };
}
