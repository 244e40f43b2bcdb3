import { defineOp, ShapeError, ValueError, type Op, type Shape, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { axisOf, checkOptions, checkTensor, checkValue, isArray } from "./arguments.ts";

export interface SliceOptions {
  /** Default: 0. */
  readonly axis?: number;
  /** The first index; negative ones count from the end. Default: the first, or the last if the step is negative. */
  readonly start?: number;
  /** The index before which to stop; negative ones count from the end. Default: past the last one. */
  readonly end?: number;
  /** Default: 1. A negative step goes backwards. */
  readonly step?: number;
}

/**
 * Every `step`-th of x along `axis` from `start` to before `end`, clamped as in Python. Its pull-back puts dy back in
 * its place, in zeros.
 * @throws IndexError for an axis that is not there, ValueError for a step of 0 or bounds that are no whole numbers.
 * @example
 * console.log(slice(tensor([0, 1, 2, 3]), { start: 1, end: -1 })); // => float32[2] [1, 2]
 */
export function slice(x: Tensor, options: SliceOptions = {}): Tensor {
  checkTensor("slice", "x", x);
  const axis = axisOf("slice", x, checkOptions("slice", options).axis ?? 0);
  const { start, end, step = 1 } = options;
  if (![start ?? 0, end ?? 0, step].every(Number.isInteger) || step === 0) {
    throw new ValueError("slice", "no such slice", { ...options, x }, "whole numbers and a step other than 0");
  }
  const length = x.shape[axis]!;
  const [first, last] = step > 0 ? [0, length] : [-1, length - 1];
  const clamp = (i: number): number => Math.min(last, Math.max(first, i < 0 ? i + length : i));
  const ends = step > 0 ? [first, last] : [last, first];
  const [from, to] = [start === undefined ? ends[0]! : clamp(start), end === undefined ? ends[1]! : clamp(end)];
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (count === length && step === 1) return x;
  const box = k.boxAlong(x.shape, axis, count > 0 ? from : 0, step);
  return sliceOp({ x }, { box, shape: x.shape.map((l, i) => (i === axis ? count : l)) });
}
const sliceOp: Op<"x", Boxed> = /* @__PURE__ */ defineOp({
  name: "slice",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }, { box, shape }: Boxed) => k.slice(x, box, shape),
  vjp: ({ shapes }, { box }) => ({ x: (dy) => padOp({ x: dy }, { box, shape: shapes.x, value: 0 }) }),
  backward: (_, { box }) => ({ x: (dy, into, beta) => k.sliceGrad(into, beta, dy, box) }),
});

interface Boxed {
  readonly box: k.Box;
  readonly shape: Shape;
}

/** How many before, and how many after. */
export type Padding = readonly [before: number, after: number];

/**
 * x in the middle of `value`s: `paddings[axis]` = [before, after]. Its pull-back is the slice where x was.
 * @throws ShapeError if there is not one pair of whole numbers from 0 for each axis, ValueError for a value that the dtype
 * cannot hold.
 * @example
 * console.log(pad(tensor([1, 2]), { paddings: [[1, 2]] })); // => float32[5] [0, 1, 2, 0, 0]
 */
export function pad(x: Tensor, options: { readonly paddings: readonly Padding[]; readonly value?: number }): Tensor {
  checkTensor("pad", "x", x);
  const { paddings, value = 0 } = checkOptions("pad", options);
  const isPair = (pair: readonly number[]): boolean =>
    isArray(pair) && pair.length === 2 && pair.every((n) => Number.isInteger(n) && n >= 0);
  if (!isArray(paddings) || paddings.length !== x.shape.length || !paddings.every(isPair)) {
    throw new ShapeError("pad", "paddings do not fit x", { paddings, x }, "two whole numbers from 0 for each axis");
  }
  const shape = x.shape.map((length, axis) => paddings[axis]![0] + length + paddings[axis]![1]);
  const box = { start: paddings.map(([before]) => before), step: paddings.map(() => 1) };
  checkValue("pad", "value", value, x.dtype);
  return padOp({ x }, { box, shape, value });
}
const padOp: Op<"x", Boxed & { value: number }> = /* @__PURE__ */ defineOp({
  name: "pad",
  inputs: ["x"],
  keeps: [],
  forward: ({ x }, { box, shape, value }: Boxed & { value: number }) => k.pad(x, box, shape, value),
  vjp: ({ shapes }, { box }) => ({ x: (dy) => sliceOp({ x: dy }, { box, shape: shapes.x }) }),
});
