import { sizeOf, type DType, type Shape } from "./array.ts";
import { formFor, formsOf, type Forms } from "./forms.ts";
import { transpose } from "./layout.ts";
import { byRows } from "./staging.ts";
import { empty, heapOf, offsetOf, type NdArray } from "./storage.ts";

// Functions of whole rows, in float64. A row is one array, used again for the next.

/** f of each row over the axes given, which vanish. */
export function reduceRows(
  x: NdArray,
  axes: readonly number[],
  f: (row: Float64Array) => number,
  dtype: DType = x.dtype,
): NdArray {
  const { rows, shape, length } = asRows(x, axes);
  const out = empty(shape, dtype);
  const row = new Float64Array(length);
  const [X, T] = [heapOf(rows.storage), heapOf(out.storage)];
  const [p, t] = [offsetOf(rows.storage), offsetOf(out.storage)];
  for (let i = 0, from = p; i < out.storage.length; i++, from += row.length) {
    for (let j = 0; j < row.length; j++) row[j] = X[from + j]!;
    T[t + i] = f(row);
  }
  return out;
}

/** x with the axes given at its end, where the rest of its shape is `shape` and they make rows of `length`. */
function asRows(x: NdArray, axes: readonly number[]): { rows: NdArray; shape: Shape; length: number } {
  const rest = [...x.shape.keys()].filter((axis) => !axes.includes(axis));
  const order = [...rest, ...axes];
  const rows = order.every((axis, i) => axis === i) ? x : transpose(x, order);
  return {
    rows,
    shape: rest.map((axis) => x.shape[axis]!),
    length: sizeOf(axes.map((axis) => x.shape[axis]!)),
  };
}

/** Index of the first smallest element along `axis`, which vanishes; of the first NaN where there is one. */
export function argMin(x: NdArray, axis: number): NdArray {
  const first = (row: Float64Array): number => {
    const smallest = row.reduce((a, b) => Math.min(a, b), Infinity);
    return row.findIndex((value) => value === smallest || value !== value);
  };
  return reduceRows(x, [axis], first, "int32");
}

/** Whether one over the axes given, which vanish, is not 0. */
export function any(x: NdArray, axes: readonly number[]): NdArray {
  return reduceRows(x, axes, (row) => Number(row.some((value) => value !== 0)), "bool");
}

/** Whether none over the axes given, which vanish, is 0. */
export function all(x: NdArray, axes: readonly number[]): NdArray {
  return reduceRows(x, axes, (row) => Number(row.every((value) => value !== 0)), "bool");
}

/** Π over the axes given, which vanish. */
export function prod(x: NdArray, axes: readonly number[]): NdArray {
  return reduceRows(x, axes, (row) => row.reduce((a, b) => a * b, 1));
}

const normForms: Forms = /* @__PURE__ */ formsOf("norm");
const varianceForms: Forms = /* @__PURE__ */ formsOf("variance");

/**
 * √Σ x² over the axes given, which vanish. The sum is blocked: eight float64 sums, element i in sum i mod 8, are added in
 * the end. Over n elements the result is off by at most (n/16 + 6)·2⁻⁵³ of itself, before it is rounded to float32.
 */
export function norm(x: NdArray, axes: readonly number[]): NdArray {
  return statistic(normForms, x, axes, (row) => Math.sqrt(sumInEight(row, (value) => value * value)));
}

/**
 * Σ (x − mean)² / divisor over the axes given, which vanish. The mean's sum and that of the squares are blocked as in
 * `norm`. Over n elements the result is off by at most (n/8 + 12)·2⁻⁵³ of itself, and by n·e²/divisor for a mean off by
 * e ≤ (n/8 + 8)·2⁻⁵³·(mean of |x|), before it is rounded to float32.
 */
export function variance(x: NdArray, axes: readonly number[], divisor: number): NdArray {
  const twin = (row: Float64Array): number => {
    const mean = sumInEight(row, (value) => value) / row.length;
    return sumInEight(row, (value) => (value - mean) * (value - mean)) / divisor;
  };
  return statistic(varianceForms, x, axes, twin, divisor);
}

function statistic(
  forms: Forms,
  x: NdArray,
  axes: readonly number[],
  twin: (row: Float64Array) => number,
  ...numbers: number[]
): NdArray {
  const wasm = formFor(forms, x.dtype);
  if (!wasm) return reduceRows(x, axes, twin);
  const { rows, shape, length } = asRows(x, axes);
  const out = empty(shape, x.dtype);
  const operands = [
    { storage: rows.storage, width: length, use: "read" },
    { storage: out.storage, width: 1, use: "write" },
  ] as const;
  byRows(out.storage.length, operands, (count, [a, b]) => wasm(count, length, a!, b!, ...numbers));
  return out;
}

function sumInEight(row: Float64Array, term: (value: number) => number): number {
  const sums = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < row.length; i++) sums[i % 8]! += term(row[i]!);
  return sums.reduce((total, sum) => total + sum, 0);
}

/**
 * What f writes from each row along `axis`, of the inputs, which are of one shape, to the same row of the result. `length`
 * is that of the result's rows.
 */
function mapRows(
  inputs: readonly NdArray[],
  axis: number,
  f: (out: Float64Array, ...rows: Float64Array[]) => void,
  length: number = inputs[0]!.shape[axis]!,
  dtype: DType = inputs[0]!.dtype,
): NdArray {
  const { shape } = inputs[0]!;
  const inner = sizeOf(shape.slice(axis + 1));
  const out = empty([...shape.slice(0, axis), length, ...shape.slice(axis + 1)], dtype);
  const rows = inputs.map(() => new Float64Array(shape[axis]!));
  const row = new Float64Array(length);
  const [T, t] = [heapOf(out.storage), offsetOf(out.storage)];
  const start = (i: number, length: number): number => Math.floor(i / inner) * length * inner + (i % inner);
  for (let i = 0; i < out.storage.length / length; i++) {
    inputs.forEach(({ storage }, n) => {
      const [X, p] = [heapOf(storage), offsetOf(storage) + start(i, shape[axis]!)];
      for (let j = 0; j < rows[n]!.length; j++) rows[n]![j] = X[p + j * inner]!;
    });
    f(row, ...rows);
    const to = t + start(i, length);
    for (let j = 0; j < length; j++) T[to + j * inner] = row[j]!;
  }
  return out;
}

/** How a scan goes along its axis. */
export interface Scan {
  readonly axis: number;
  /** The element itself does not count. */
  readonly exclusive: boolean;
  /** From the last to the first. */
  readonly reverse: boolean;
}

/** Σ of what came before along the axis. */
export function cumsum(x: NdArray, scan: Scan): NdArray {
  return running(x, scan, 0, (sum, value) => sum + value);
}

/** Π of what came before along the axis. */
export function cumprod(x: NdArray, scan: Scan): NdArray {
  return running(x, scan, 1, (product, value) => product * value);
}

function running(x: NdArray, scan: Scan, start: number, join: (a: number, b: number) => number): NdArray {
  const { axis, exclusive, reverse } = scan;
  return mapRows([x], axis, (out, row) => {
    let so = start;
    for (let j = 0; j < out.length; j++) {
      const i = reverse ? out.length - 1 - j : j;
      const next = join(so, row[i]!);
      out[i] = exclusive ? so : next;
      so = next;
    }
  });
}

/** sᵢ = aᵢ·sᵢ₋₁ + bᵢ along the axis, from s = 0. */
export function recurrence(a: NdArray, b: NdArray, { axis, reverse }: Omit<Scan, "exclusive">): NdArray {
  return mapRows([a, b], axis, (out, a, b) => {
    let s = 0;
    for (let j = 0; j < out.length; j++) {
      const i = reverse ? out.length - 1 - j : j;
      s = out[i] = a[i]! * s + b[i]!;
    }
  });
}

/** Indices of the `count` largest along the axis, from the largest down; NaN is larger, and of equals the first comes first. */
export function topK(x: NdArray, axis: number, count: number): NdArray {
  const largestFirst = (a: number, b: number): number => {
    if (a !== a || b !== b) return Number(b !== b) - Number(a !== a);
    return Number(b > a) - Number(b < a);
  };
  const write = (out: Float64Array, row: Float64Array): void => {
    const order = [...row.keys()].sort((i, j) => largestFirst(row[i]!, row[j]!) || i - j);
    out.set(order.slice(0, count));
  };
  return mapRows([x], axis, write, count, "int32");
}
