import { bytesOf, sizeOf, type DType, type Shape } from "./array.ts";
import { fill, fillInto, type Beta } from "./elementwise.ts";
import { formFor, formNamed, formsOf, type Forms, type Wasm } from "./forms.ts";
import { input } from "./staging.ts";
import { currentScope, empty, heapOf, offsetOf, type NdArray } from "./storage.ts";

// Indices are known to be in range.

/** y[…i…] = x[…index[…i…]…] along `axis`: an index for each element of y. */
export function gather(x: NdArray, index: NdArray, axis: number): NdArray {
  const out = empty(index.shape, x.dtype);
  const [X, T] = [heapOf(x.storage), heapOf(out.storage)];
  const [p, t] = [offsetOf(x.storage), offsetOf(out.storage)];
  eachPlace(index, x.shape, axis, (i, place) => (T[t + i] = X[p + place]!));
  return out;
}

/** into[…index[…i…]…] += x[…i…] along `axis`, after into = beta·into. */
export function scatterAddInto(into: NdArray, beta: Beta, x: NdArray, index: NdArray, axis: number): void {
  if (!beta) fillInto(into, 0);
  const [X, T] = [heapOf(x.storage), heapOf(into.storage)];
  const [p, t] = [offsetOf(x.storage), offsetOf(into.storage)];
  eachPlace(index, into.shape, axis, (i, place) => (T[t + place]! += X[p + i]!));
}

/** `x` scattered to zeros; `axis` has length `size` in the result. */
export function scatterAdd(x: NdArray, index: NdArray, axis: number, size: number): NdArray {
  const out = empty(
    x.shape.map((length, i) => (i === axis ? size : length)),
    x.dtype,
  );
  scatterAddInto(out, 0, x, index, axis);
  return out;
}

/** Calls with the position of each index and the place it points to; but for `axis`, the index's shape is `shape`. */
function eachPlace(index: NdArray, shape: Shape, axis: number, call: (i: number, place: number) => void): void {
  const [outer, inner] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
  const [count, length] = [index.shape[axis]!, shape[axis]! * inner];
  const [I, at] = [heapOf(index.storage), offsetOf(index.storage)];
  for (let o = 0, i = 0; o < outer; o++) {
    for (let c = 0; c < count; c++) {
      for (let j = 0; j < inner; j++, i++) call(i, o * length + I[at + i]! * inner + j);
    }
  }
}

/** Position of the first element that passes the test, or −1. */
export function findIndex(x: NdArray, test: (value: number, i: number) => boolean): number {
  const [X, at] = [heapOf(x.storage), offsetOf(x.storage)];
  for (let i = 0; i < x.storage.length; i++) if (test(X[at + i]!, i)) return i;
  return -1;
}

const takeForms: Forms = /* @__PURE__ */ formsOf("takeRows");
const scatterForms: Forms = /* @__PURE__ */ formsOf("scatterAddRows");

/** Outside of a step the table would have to be copied for the few rows that are wanted: there the twin runs. */
function formInStep(forms: Forms, dtype: DType): Wasm | null {
  return currentScope()?.linear ? formFor(forms, dtype) : formNamed("", forms.twin);
}

/** Whole slices of x along `axis`, in the index's order; the index's axes stand in the place of `axis`. */
export function take(x: NdArray, index: NdArray, axis: number): NdArray {
  const out = empty([...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)], x.dtype);
  const { outer, length, width, count } = slicesOf(x.shape, index, axis);
  const wasm = formInStep(takeForms, x.dtype);
  if (wasm) {
    const [table, at] = [input(x.storage), input(index.storage)];
    const bytes = width * bytesOf[x.dtype];
    for (let o = 0; o < outer; o++) {
      wasm(count, width, table + o * length * bytes, at, out.storage.pointer + o * count * bytes);
    }
    return out;
  }
  const [X, T, I] = [heapOf(x.storage), heapOf(out.storage), heapOf(index.storage)];
  const [p, t, at] = [offsetOf(x.storage), offsetOf(out.storage), offsetOf(index.storage)];
  for (let o = 0, to = t; o < outer; o++) {
    for (let i = 0; i < count; i++, to += width) {
      const from = p + (o * length + I[at + i]!) * width;
      for (let j = 0; j < width; j++) T[to + j] = X[from + j]!;
    }
  }
  return out;
}

/** The pull-back of `take`: adds each slice of dy to the place it came from, after into = beta·into. */
export function takeGrad(into: NdArray, beta: Beta, dy: NdArray, index: NdArray, axis: number): void {
  if (!beta) fillInto(into, 0);
  const { outer, length, width, count } = slicesOf(into.shape, index, axis);
  const wasm = formInStep(scatterForms, into.dtype);
  if (wasm) {
    const [source, at] = [input(dy.storage), input(index.storage)];
    const bytes = width * bytesOf[into.dtype];
    for (let o = 0; o < outer; o++) {
      wasm(count, width, source + o * count * bytes, at, into.storage.pointer + o * length * bytes);
    }
    return;
  }
  const [D, T, I] = [heapOf(dy.storage), heapOf(into.storage), heapOf(index.storage)];
  const [p, t, at] = [offsetOf(dy.storage), offsetOf(into.storage), offsetOf(index.storage)];
  for (let o = 0, from = p; o < outer; o++) {
    for (let i = 0; i < count; i++, from += width) {
      const to = t + (o * length + I[at + i]!) * width;
      for (let j = 0; j < width; j++) T[to + j]! += D[from + j]!;
    }
  }
}

/** The transpose of `take`: slices of x added to their places in zeros; `axis` has length `size` in the result. */
export function put(x: NdArray, index: NdArray, axis: number, size: number): NdArray {
  const out = empty([...x.shape.slice(0, axis), size, ...x.shape.slice(axis + index.shape.length)], x.dtype);
  takeGrad(out, 0, x, index, axis);
  return out;
}

function slicesOf(
  shape: Shape,
  index: NdArray,
  axis: number,
): { outer: number; length: number; width: number; count: number } {
  return {
    outer: sizeOf(shape.slice(0, axis)),
    length: shape[axis]!,
    width: sizeOf(shape.slice(axis + 1)),
    count: index.storage.length,
  };
}

/** `on` at each index along a new last axis of length `depth`, `off` elsewhere. */
export function oneHot(index: NdArray, depth: number, on: number, off: number, dtype: DType): NdArray {
  const out = fill([...index.shape, depth], off, dtype);
  const [T, I] = [heapOf(out.storage), heapOf(index.storage)];
  const [t, at] = [offsetOf(out.storage), offsetOf(index.storage)];
  for (let i = 0; i < index.storage.length; i++) T[t + i * depth + I[at + i]!] = on;
  return out;
}
