import { asTensor, DTypeError, IndexError, isTensor, ShapeError, ValueError } from "@gradus/core";
import type { DType, Shape, Tensor, TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";

/** Refuses all but tensors. */
export function checkTensor(op: string, argument: string, value: unknown): void {
  if (!isTensor(value)) throw new ValueError(op, "not a tensor", { [argument]: value }, "a tensor");
}

/** Refuses what stands in the place of options and is no record of them: null, or an axis on its own. */
export function checkOptions<T>(op: string, options: T): T {
  if (typeof options === "object" && options !== null && !isArray(options) && !isTensor(options)) return options;
  throw new ValueError(op, "not options", { options }, "them by name: { … }");
}

/** `Array.isArray` without its type guard, which would make any[] of a readonly array. */
export const isArray = (value: unknown): boolean => Array.isArray(value);

/** Refuses all but a list of tensors, one at least, of one dtype; returns the first. */
export function checkList(op: string, xs: readonly Tensor[]): Tensor {
  if (!Array.isArray(xs) || xs.length === 0) {
    throw new ValueError(op, "not a list of tensors", { xs }, "at least one tensor");
  }
  xs.forEach((x: Tensor, i) => checkTensor(op, `xs[${i}]`, x));
  const first = xs[0] as Tensor;
  const odd = xs.findIndex((x: Tensor) => x.dtype !== first.dtype);
  if (odd < 0) return first;
  throw new DTypeError(op, "mixed dtypes", { "xs[0]": first, [`xs[${odd}]`]: xs[odd] }, "one dtype");
}

/** Refuses all but float tensors. */
export function checkFloats(op: string, tensors: Readonly<Record<string, Tensor>>): void {
  for (const name in tensors) {
    const x = tensors[name]!;
    checkTensor(op, name, x);
    if (x.dtype !== "float32" && x.dtype !== "float64") {
      throw new DTypeError(op, "floats only", { [name]: x }, "float32 or float64");
    }
  }
}

/** An axis from 0, given one that may count from the end. */
export function axisOf(op: string, x: Tensor, axis: number, rank: number = x.shape.length): number {
  if (Number.isInteger(axis) && axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  const want = rank === 0 ? "none: a scalar has no axes" : `${-rank} to ${rank - 1}`;
  throw new IndexError(op, "no such axis", { axis, x }, want);
}

/** Axes from 0 in ascending order; all of them if none are given. */
export function axesOf(op: string, x: Tensor, axis: number | readonly number[] | undefined): number[] {
  if (axis === undefined) return [...x.shape.keys()];
  const given = typeof axis === "number" ? [axis] : axis;
  if (!isArray(given)) throw new IndexError(op, "not axes", { axis, x }, "a whole number, or an array of them");
  const axes = given.map((a) => axisOf(op, x, a)).sort((a, b) => a - b);
  if (new Set(axes).size < axes.length) {
    throw new IndexError(op, "an axis twice", { axis: [...given], x }, "different axes");
  }
  return axes;
}

/** Indices from 0 to size − 1; the first one outside is named with its position. */
export function indicesOf(op: string, argument: string, value: TensorLike, size: number): Tensor {
  const index = asTensor(op, argument, value, "int32");
  const outside = k.findIndex(index.array, (i) => i < 0 || i >= size);
  if (outside < 0) return index;
  const got = { [`${argument}${placeOf(outside, index.shape)}`]: index.data[outside], [argument]: index };
  throw new IndexError(op, "index out of range", got, size === 0 ? "none: the axis is empty" : `0 to ${size - 1}`);
}

/** The place of the i-th element, as `[0][2]`. */
export function placeOf(i: number, shape: Shape): string {
  return shape.map((length, axis) => `[${Math.floor(i / k.sizeOf(shape.slice(axis + 1))) % length}]`).join("");
}

/** Refuses bool, which is no number. */
export function checkNumbers(op: string, tensors: Readonly<Record<string, Tensor>>): void {
  for (const name in tensors) {
    const x = tensors[name]!;
    checkTensor(op, name, x);
    if (x.dtype === "bool") throw new DTypeError(op, "numbers only", { [name]: x }, "a cast first");
  }
}

/** Refuses all but a number that the dtype can hold. */
export function checkValue(op: string, argument: string, value: number, dtype: DType): void {
  if (typeof value !== "number") throw new ValueError(op, "not a number", { [argument]: value }, "a number");
  asTensor(op, argument, value, dtype);
}

/** Refuses what is not the name of a dtype. */
export function checkDType(op: string, dtype: DType): void {
  if (!Object.hasOwn(k.bytesOf, dtype)) {
    throw new ValueError(op, "no such dtype", { dtype }, Object.keys(k.bytesOf).join(", "));
  }
}

/** What the axes before the last two broadcast to. */
export function batchOf(op: string, a: Tensor, b: Tensor): Shape {
  const [p, q] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const rank = Math.max(p.length, q.length);
  return Array.from({ length: rank }, (_, axis) => {
    const [i, j] = [p[axis - rank + p.length] ?? 1, q[axis - rank + q.length] ?? 1];
    if (i !== j && i !== 1 && j !== 1) {
      throw new ShapeError(op, "batches do not broadcast", { a, b }, "batch axes of equal length or 1");
    }
    return i === 1 ? j : i;
  });
}
