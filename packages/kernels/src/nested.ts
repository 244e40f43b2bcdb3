import { bytesOf, sizeOf, type DType, type Shape, type TypedArray } from "./array.ts";
import { DTypeError, ShapeError, show, ValueError } from "./errors.ts";
import { empty, heapOf, offsetOf, type NdArray } from "./storage.ts";

/** Numbers (or booleans) in nested arrays, all of one shape. */
export type Nested = number | boolean | readonly Nested[];

/** The elements as nested arrays; bool as true and false. */
export function nest(data: TypedArray, shape: Shape, dtype: DType): Nested {
  let at = 0;
  const level = (axis: number): Nested => {
    if (axis === shape.length) return dtype === "bool" ? data[at++] !== 0 : data[at++]!;
    return Array.from({ length: shape[axis]! }, () => level(axis + 1));
  };
  return level(0);
}

const EDGE = 3; // elements shown at either end of a long axis

/** The elements as nested brackets, five significant digits each, long axes cut in the middle. */
export function format(data: TypedArray, shape: Shape, dtype: DType): string {
  const level = (axis: number, at: number, size: number): string => {
    if (axis === shape.length) return dtype === "bool" ? String(data[at] !== 0) : short(data[at]!);
    const length = shape[axis]!;
    const step = size / length;
    const shown = Array.from({ length }, (_, i) => i).filter(
      (i) => length <= 2 * EDGE + 1 || i < EDGE || i >= length - EDGE,
    );
    const parts = shown.map((i) => level(axis + 1, at + i * step, step));
    if (shown.length < length) parts.splice(EDGE, 0, "…");
    return `[${parts.join(", ")}]`;
  };
  return level(0, 0, data.length);
}

const short = (value: number): string =>
  Number.isSafeInteger(value) ? String(value) : String(Number(value.toPrecision(5)));

/**
 * An array with a copy of the values given, which nest as its shape says unless another of the same size is wanted.
 * Errors name `op` and `argument`, and the index where arrays turn ragged or a value does not fit its dtype.
 */
export function fromNested(
  op: string,
  argument: string,
  values: Nested | TypedArray,
  wanted?: DType,
  shape?: Shape,
): NdArray {
  const flat: (number | boolean)[] = [];
  const typed = ArrayBuffer.isView(values);
  const natural = typed ? dtypeOf(op, argument, values) : null;
  const found = typed ? [values.length] : flatten(op, argument, values, flat);
  if (shape) checkShape(op, shape);
  if (shape && sizeOf(shape) !== sizeOf(found)) {
    throw new ShapeError(op, "wrong number of values", { [argument]: found, shape }, `${sizeOf(shape)} values`);
  }
  const dtype = wanted ?? natural ?? (typeof flat[0] === "boolean" ? "bool" : "float32");
  const source = typed ? values : flat;
  const array = empty([...(shape ?? found)], dtype);
  const [heap, at] = [heapOf(array.storage), offsetOf(array.storage)];
  const fits =
    typed && (isFloat(dtype) || (natural === dtype && (dtype === "int32" || !values.some((value) => value > 1))));
  if (fits) heap.set(values, at);
  else {
    for (let i = 0; i < source.length; i++) {
      checkValue(op, argument, source[i]!, dtype, found, i);
      heap[at + i] = Number(source[i]);
    }
  }
  return array;
}

export const isFloat = (dtype: DType): boolean => dtype === "float32" || dtype === "float64";

/** The dtype that a typed array holds; by tag, not by `instanceof`, so that arrays of other realms are recognised. */
function dtypeOf(op: string, argument: string, values: object): DType {
  const tag = Object.prototype.toString.call(values).slice(8, -1);
  const dtypes = { Float32Array: "float32", Float64Array: "float64", Int32Array: "int32", Uint8Array: "bool" } as const;
  if (Object.hasOwn(dtypes, tag)) return dtypes[tag as keyof typeof dtypes];
  throw new DTypeError(op, `no dtype for ${tag}`, { [argument]: values }, Object.keys(dtypes).join(", "));
}

function flatten(op: string, argument: string, values: Nested, into: (number | boolean)[]): number[] {
  const shape: number[] = [];
  for (let level: Nested = values; Array.isArray(level); level = level[0] as Nested) {
    shape.push(level.length);
    if (level.length === 0) break;
  }
  const index: number[] = []; // of the value being visited
  const visit = (value: Nested, axis: number): void => {
    if (axis === shape.length) {
      if (typeof value === "number" || typeof value === "boolean") into.push(value);
      else if (Array.isArray(value)) throw ragged("deeper than its first neighbour");
      else throw new ValueError(op, "not a number", { [place()]: value }, "numbers in nested arrays");
    } else if (!Array.isArray(value) || value.length !== shape[axis]) {
      throw ragged(Array.isArray(value) ? `of length ${value.length}` : "not an array");
    } else {
      for (let i = 0; i < value.length; i++) {
        index[axis] = i;
        visit(value[i] as Nested, axis + 1);
      }
      index.length = axis;
    }
  };
  const place = (): string => argument + index.map((i) => `[${i}]`).join("");
  const ragged = (how: string): ShapeError =>
    new ShapeError(op, `ragged nested arrays: ${place()} is ${how}`, {}, `a full array of shape ${show(shape)}`);
  visit(values, 0);
  return shape;
}

/** Refuses a value that the dtype cannot hold. */
export function checkValue(
  op: string,
  argument: string,
  value: number | boolean,
  dtype: DType,
  shape: Shape,
  i = 0,
): void {
  if (isFloat(dtype)) return;
  if (!Object.hasOwn(bytesOf, dtype))
    throw new DTypeError(op, "no such dtype", { dtype }, Object.keys(bytesOf).join(", "));
  const fits =
    dtype === "bool"
      ? value === true || value === false || value === 0 || value === 1
      : (Number(value) | 0) === Number(value);
  if (fits) return;
  const index = shape.map((length, axis) => Math.floor(i / sizeOf(shape.slice(axis + 1))) % length);
  const want = dtype === "bool" ? "true, false, 0 or 1" : "32-bit integers";
  throw new ValueError(
    op,
    `not a value of dtype ${dtype}`,
    { [`${argument}${index.map((j) => `[${j}]`).join("")}`]: value },
    want,
  );
}

/** Refuses lengths that are not whole numbers from 0. */
export function checkShape(op: string, shape: Shape): void {
  if (Array.isArray(shape) && shape.every((length) => Number.isSafeInteger(length) && length >= 0)) return;
  throw new ShapeError(op, "not a shape", { shape }, "whole numbers from 0");
}
