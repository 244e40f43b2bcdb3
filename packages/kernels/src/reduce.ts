import { sizeOf, type Shape, type TypedArray } from "./array.ts";
import type { Beta } from "./elementwise.ts";
import { formFor, formNamed, formsOf, type Forms } from "./forms.ts";
import { copy, copyInto, transpose } from "./layout.ts";
import { byRows, type Rows } from "./staging.ts";
import { currentScope, empty, heapOf, offsetOf, type NdArray } from "./storage.ts";

const sumForms: Forms = /* @__PURE__ */ formsOf("sum");
const maxForms: Forms = /* @__PURE__ */ formsOf("max");
const minForms: Forms = /* @__PURE__ */ formsOf("min");

/**
 * Σ over the axes given, which vanish. Each element is one float64 accumulator that runs in row order, so zeros put
 * in between change no bit. It is not blocked: over n elements it is off by at most n·2⁻⁵³·Σ |x|, and is rounded to
 * float32 once a run of neighbouring axes.
 */
export function sum(x: NdArray, axes: readonly number[]): NdArray {
  return reduce(x, axes, sumForms, 0, (X, at, n, totals) => {
    for (let j = 0; j < n; j++) for (let i = 0; i < totals.length; i++) totals[i]! += X[at++]!;
  });
}

/** The largest over the axes given, which vanish; NaN where one is NaN, −∞ over nothing. */
export function max(x: NdArray, axes: readonly number[]): NdArray {
  return reduce(x, axes, maxForms, -Infinity, (X, at, n, most) => {
    for (let j = 0; j < n; j++) for (let i = 0; i < most.length; i++) most[i] = Math.max(most[i]!, X[at++]!);
  });
}

/** The smallest over the axes given, which vanish; NaN where one is NaN, ∞ over nothing. */
export function min(x: NdArray, axes: readonly number[]): NdArray {
  return reduce(x, axes, minForms, Infinity, (X, at, n, least) => {
    for (let j = 0; j < n; j++) for (let i = 0; i < least.length; i++) least[i] = Math.min(least[i]!, X[at++]!);
  });
}

/** Joins n rows of X, from `at` on, with what is in `row`. */
type ReduceTwin = (X: TypedArray, at: number, n: number, row: Float64Array) => void;

/** Runs of neighbouring axes are reduced one after the other, from the last to the first. */
function reduce(x: NdArray, axes: readonly number[], forms: Forms, start: number, twin: ReduceTwin): NdArray {
  let shape = x.shape.map((length, axis) => ({ length, goes: axes.includes(axis) }));
  let y = x;
  for (let end = shape.length; end > 0; end--) {
    if (!shape[end - 1]!.goes) continue;
    let begin = end - 1;
    while (begin > 0 && shape[begin - 1]!.goes) begin--;
    const size = (from: number, to: number): number => sizeOf(shape.slice(from, to).map(({ length }) => length));
    const [outer, n, inner] = [size(0, begin), size(begin, end), size(end, shape.length)];
    shape = [...shape.slice(0, begin), ...shape.slice(end)];
    const out = empty(
      shape.map(({ length }) => length),
      x.dtype,
    );
    reduceRun(outer, n, inner, y, out, forms, start, twin);
    y = out;
    end = begin + 1;
  }
  return y === x ? copy(x) : y;
}

/** Outside of a step, rows of more elements are read where they are, not copied to linear memory. */
const STAGED = 1 << 14;

function reduceRun(
  outer: number,
  n: number,
  inner: number,
  x: NdArray,
  out: NdArray,
  forms: Forms,
  start: number,
  twin: ReduceTwin,
): void {
  const goes = currentScope()?.linear || n * inner <= STAGED;
  const wasm = goes ? formFor(forms, x.dtype) : formNamed("", forms.twin);
  if (wasm) {
    const operands: Rows[] = [
      { storage: x.storage, width: n * inner, use: "read" },
      { storage: out.storage, width: inner, use: "write" },
    ];
    byRows(outer, operands, (count, [a, b]) => wasm(count, n, inner, a!, b!));
    return;
  }
  const [X, T] = [heapOf(x.storage), heapOf(out.storage)];
  const [p, t] = [offsetOf(x.storage), offsetOf(out.storage)];
  const row = new Float64Array(inner);
  for (let o = 0; o < outer; o++) {
    row.fill(start);
    twin(X, p + o * n * inner, n, row);
    for (let i = 0; i < inner; i++) T[t + o * inner + i] = row[i]!;
  }
}

/** Index of the first largest element along `axis`, which vanishes; of the first NaN where there is one. */
export function argMax(x: NdArray, axis: number): NdArray {
  const n = x.shape[axis]!;
  const inner = sizeOf(x.shape.slice(axis + 1));
  const out = empty(without(x.shape, axis), "int32");
  const [X, T] = [heapOf(x.storage), heapOf(out.storage)];
  const [p, t] = [offsetOf(x.storage), offsetOf(out.storage)];
  for (let k = 0; k < out.storage.length; k++) {
    const first = p + Math.floor(k / inner) * n * inner + (k % inner);
    let best = 0;
    let largest = X[first]!;
    for (let j = 1; j < n && largest === largest; j++) {
      const value = X[first + j * inner]!;
      if (value > largest || value !== value) [best, largest] = [j, value];
    }
    T[t + k] = best;
  }
  return out;
}

const without = (shape: Shape, axis: number): number[] => shape.filter((_, i) => i !== axis);

const softmaxForms: Forms = /* @__PURE__ */ formsOf("softmax");
const logSoftmaxForms: Forms = /* @__PURE__ */ formsOf("logSoftmax");
const logSumExpForms: Forms = /* @__PURE__ */ formsOf("logSumExp");
const softmaxGradForms: Forms = /* @__PURE__ */ formsOf("softmaxGrad");
const logSoftmaxGradForms: Forms = /* @__PURE__ */ formsOf("logSoftmaxGrad");
const logSumExpGradForms: Forms = /* @__PURE__ */ formsOf("logSumExpGrad");

/** exp xᵢ / Σⱼ exp xⱼ along the axis, over the places where the mask is true; 0 elsewhere. */
export function softmax(x: NdArray, mask: NdArray | null, axis: number): NdArray {
  return alongLast([x, mask], axis, ([x, mask]) => rowwise(softmaxForms, x!, mask!, x!.shape, softmaxTwin), true);
}

/** xᵢ − log Σⱼ exp xⱼ along the axis, over the places where the mask is true; −∞ elsewhere. */
export function logSoftmax(x: NdArray, mask: NdArray | null, axis: number): NdArray {
  return alongLast([x, mask], axis, ([x, mask]) => rowwise(logSoftmaxForms, x!, mask!, x!.shape, logSoftmaxTwin), true);
}

/** log Σⱼ exp xⱼ along the axis, which vanishes; −∞ where nothing counts. */
export function logSumExp(x: NdArray, mask: NdArray | null, axis: number): NdArray {
  return alongLast(
    [x, mask],
    axis,
    ([x, mask]) => rowwise(logSumExpForms, x!, mask!, x!.shape.slice(0, -1), logSumExpTwin),
    false,
  );
}

/** into = y·(dy − Σ y·dy) + beta·into; places where y is 0 take no part. */
export function softmaxGrad(into: NdArray, beta: Beta, y: NdArray, dy: NdArray, axis: number): void {
  gradAlongLast(into, beta, axis, [y, dy], (into, beta, [y, dy]) => {
    rowGrad(softmaxGradForms, into, beta, [y!, dy!], (n, [Y, D], [p, q]) => {
      const product = (y: number, d: number): number => (y === 0 || d === 0 ? 0 : y * d);
      let inner = 0;
      for (let j = 0; j < n; j++) inner += product(Y![p! + j]!, D![q! + j]!);
      return (j) => product(Y![p! + j]!, D![q! + j]! - inner);
    });
  });
}

/** into = dy − exp(y)·Σ dy + beta·into over the places where the mask is true; 0 + beta·into elsewhere. */
export function logSoftmaxGrad(
  into: NdArray,
  beta: Beta,
  y: NdArray,
  mask: NdArray | null,
  dy: NdArray,
  axis: number,
): void {
  gradAlongLast(into, beta, axis, [y, mask, dy], (into, beta, [y, mask, dy]) => {
    rowGrad(logSoftmaxGradForms, into, beta, [y!, mask!, dy!], (n, [Y, M, D], [p, m, q]) => {
      const counts = (j: number): boolean => !M || M[m! + j] !== 0;
      let total = 0;
      for (let j = 0; j < n; j++) if (counts(j)) total += D![q! + j]!;
      const share = (j: number): number => (total === 0 ? 0 : Math.exp(Y![p! + j]!) * total);
      return (j) => (counts(j) ? D![q! + j]! - share(j) : 0);
    });
  });
}

/** into = exp(x − y)·dy + beta·into, a y and a dy per row; 0 for rows without mass. */
export function logSumExpGrad(
  into: NdArray,
  beta: Beta,
  x: NdArray,
  mask: NdArray | null,
  y: NdArray,
  dy: NdArray,
  axis: number,
): void {
  gradAlongLast(into, beta, axis, [x, mask], (into, beta, [x, mask]) => {
    rowGrad(logSumExpGradForms, into, beta, [x!, mask!, y, dy], (_, [X, M, Y, D], [p, m, r, q]) => {
      const none = D![q!] === 0 || Y![r!] === -Infinity;
      return (j) => (none || (M && M[m! + j] === 0) ? 0 : Math.exp(X![p! + j]! - Y![r!]!) * D![q!]!);
    });
  });
}

/** Brings `axis` to the end, applies `f`, and brings it back. */
function alongLast(
  xs: readonly (NdArray | null)[],
  axis: number,
  f: (xs: readonly (NdArray | null)[]) => NdArray,
  back: boolean,
): NdArray {
  const rank = xs[0]!.shape.length;
  if (axis === rank - 1) return f(xs);
  const order = [...without([...Array(rank).keys()], axis), axis];
  const y = f(xs.map((x) => x && transpose(x, order)));
  return back
    ? transpose(
        y,
        order.map((_, i) => order.indexOf(i)),
      )
    : y;
}

function gradAlongLast(
  into: NdArray,
  beta: Beta,
  axis: number,
  xs: readonly (NdArray | null)[],
  f: (into: NdArray, beta: Beta, xs: readonly (NdArray | null)[]) => void,
): void {
  const rank = into.shape.length;
  if (axis === rank - 1) return f(into, beta, xs);
  const order = [...without([...Array(rank).keys()], axis), axis];
  const back = order.map((_, i) => order.indexOf(i));
  const turned = empty(
    order.map((i) => into.shape[i]!),
    into.dtype,
  );
  f(
    turned,
    0,
    xs.map((x) => x && transpose(x, order)),
  );
  copyInto(into, beta, transpose(turned, back));
}

type RowTwin = (
  n: number,
  counts: (j: number) => boolean,
  at: (j: number) => number,
  put: (j: number, value: number) => void,
) => void;

function rowwise(forms: Forms, x: NdArray, mask: NdArray | null, shape: Shape, twin: RowTwin): NdArray {
  const out = empty(shape, x.dtype);
  const n = x.shape[x.shape.length - 1]!;
  const rows = sizeOf(x.shape.slice(0, -1));
  const width = shape.length === x.shape.length ? n : 1;
  const wasm = formFor(forms, x.dtype);
  if (wasm) {
    const operands: (Rows | null)[] = [
      { storage: x.storage, width: n, use: "read" },
      mask && { storage: mask.storage, width: n, use: "read" },
      { storage: out.storage, width, use: "write" },
    ];
    byRows(rows, operands, (count, at) => wasm(count, n, ...at));
    return out;
  }
  const [X, T, M] = [heapOf(x.storage), heapOf(out.storage), mask && heapOf(mask.storage)];
  for (let r = 0; r < rows; r++) {
    const [p, t] = [offsetOf(x.storage) + r * n, offsetOf(out.storage) + r * width];
    const m = mask ? offsetOf(mask.storage) + r * n : 0;
    twin(
      n,
      (j) => !M || M[m + j] !== 0,
      (j) => X[p + j]!,
      (j, value) => (T[t + j] = value),
    );
  }
  return out;
}

const logSumExpTwin: RowTwin = (n, counts, at, put) => {
  const [largest, total] = massOf(n, counts, at);
  put(0, Number.isFinite(largest) ? largest + Math.log(total) : largest);
};
const softmaxTwin: RowTwin = (n, counts, at, put) => {
  const [largest, total] = massOf(n, counts, at);
  for (let j = 0; j < n; j++) put(j, counts(j) ? Math.exp(at(j) - largest) / total : 0);
};
const logSoftmaxTwin: RowTwin = (n, counts, at, put) => {
  const [largest, total] = massOf(n, counts, at);
  for (let j = 0; j < n; j++) put(j, counts(j) ? at(j) - largest - Math.log(total) : -Infinity);
};

/** The largest of a row and Σ exp(x − largest), over the places that count. */
function massOf(
  n: number,
  counts: (j: number) => boolean,
  at: (j: number) => number,
): [largest: number, total: number] {
  let largest = -Infinity;
  for (let j = 0; j < n; j++) if (counts(j) && (at(j) > largest || at(j) !== at(j))) largest = at(j);
  let total = 0;
  for (let j = 0; j < n; j++) if (counts(j)) total += Math.exp(at(j) - largest);
  return [largest, total];
}

function rowGrad(
  forms: Forms,
  into: NdArray,
  beta: Beta,
  xs: readonly (NdArray | null)[],
  twin: (
    n: number,
    heaps: readonly (ReturnType<typeof heapOf> | null)[],
    at: readonly number[],
  ) => (j: number) => number,
): void {
  const n = into.shape[into.shape.length - 1]!;
  const rows = sizeOf(into.shape.slice(0, -1));
  const widthOf = (x: NdArray): number => (x.shape.length === into.shape.length ? n : 1);
  const wasm = formFor(forms, into.dtype);
  if (wasm) {
    const operands: (Rows | null)[] = xs.map((x) => x && { storage: x.storage, width: widthOf(x), use: "read" });
    operands.push({ storage: into.storage, width: n, use: beta ? "add" : "write" });
    byRows(rows, operands, (count, at) => wasm(count, n, ...at, beta));
    return;
  }
  const heaps = xs.map((x) => x && heapOf(x.storage));
  const T = heapOf(into.storage);
  for (let r = 0; r < rows; r++) {
    const at = xs.map((x) => (x ? offsetOf(x.storage) + r * widthOf(x) : 0));
    const value = twin(n, heaps, at);
    for (let j = 0, t = offsetOf(into.storage) + r * n; j < n; j++) T[t + j] = beta ? T[t + j]! + value(j) : value(j);
  }
}
