import { asTensor, DTypeError, IndexError, isTensor, ShapeError, ValueError } from "@gradus/core";
import type { Shape, Tensor, TensorLike } from "@gradus/core";
import { findIndex } from "@gradus/kernels";

/**
 * A tensor and the shape it should have, as an error shows it: a letter stands for one length throughout, "3H" for three
 * times H's, and "..." in front for any axes.
 */
export type Wanted = readonly [x: Tensor, shape: readonly string[]];

/** Refuses all but floats of one dtype whose shapes fit together; returns what the letters stand for. Some may be known. */
export function checkShapes<L extends string>(
  op: string,
  wanted: Readonly<Record<string, Wanted>>,
  known: Readonly<Record<string, number>> = {},
): Readonly<Record<L, number>> {
  const lengths: Record<string, number> = Object.assign({}, known); // not a literal that grows: ADR 11
  const got = (): Record<string, Tensor> => Object.fromEntries(Object.entries(wanted).map(([name, [x]]) => [name, x]));
  let dtype: string | undefined;
  for (const name in wanted) {
    const [x, shape] = wanted[name]!;
    if (!isTensor(x)) throw new ValueError(op, `${name} is not a tensor`, { [name]: x }, "a tensor");
    dtype ??= x.dtype;
    if (x.dtype !== dtype || (x.dtype !== "float32" && x.dtype !== "float64")) {
      throw new DTypeError(op, `${name} has the wrong dtype`, got(), "floats of one dtype");
    }
    const axes = shape[0] === "..." ? shape.slice(1) : shape;
    const leading = x.shape.length - axes.length;
    const fits = axes.every((axis, i) => {
      const number = Number.parseInt(axis, 10);
      const [times, letter] = Number.isNaN(number) ? [1, axis] : [number, axis.slice(`${number}`.length)];
      lengths[letter] ??= x.shape[leading + i]! / times;
      return x.shape[leading + i] === lengths[letter] * times;
    });
    if (fits && (leading === 0 || (leading > 0 && axes !== shape))) continue;
    const shown = Object.entries(wanted).map(([other, [, axes]]) => `${other} [${axes.join(",")}]`);
    throw new ShapeError(op, `${name} does not fit`, got(), shown.join(", "));
  }
  return lengths as Record<L, number>;
}

/** The lengths of a batch's rows: whole numbers from 0 to `most`, which is the default; also as numbers, the rows' ends. */
export function lengthsOf(
  op: string,
  lengths: TensorLike | undefined,
  rows: number,
  most: number,
): { readonly lengths: Tensor; readonly ends: readonly number[] } {
  const given = asTensor(op, "lengths", lengths ?? new Int32Array(rows).fill(most), "int32");
  if (given.shape.length !== 1 || given.shape[0] !== rows) {
    throw new ShapeError(op, "not one length for each row", { lengths: given }, `lengths [${rows}]`);
  }
  const ends: number[] = [];
  const i = findIndex(given.array, (length) => (ends.push(length), length < 0 || length > most));
  if (i < 0) return { lengths: given, ends };
  throw new IndexError(op, "no such length", { [`lengths[${i}]`]: ends[i] }, `0 to ${most}`);
}

/** Refuses sizes that are not whole numbers from 1. */
export function checkSizes(op: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isSafeInteger(size) && size >= 1) continue;
    throw new ShapeError(op, "no such size", { [name]: size }, "a whole number from 1");
  }
}

/** Refuses lengths that are not whole numbers from 0. */
export function checkShape(op: string, shape: Shape): void {
  if (Array.isArray(shape) && shape.every((length) => Number.isSafeInteger(length) && length >= 0)) return;
  throw new ShapeError(op, "not a shape", { shape }, "whole numbers from 0");
}

export const sizeOf = (shape: Shape): number => shape.reduce((size, length) => size * length, 1);

export const isSame = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, axis) => n === b[axis]);
