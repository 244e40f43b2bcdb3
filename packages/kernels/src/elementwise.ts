import { bytesOf, type DType, type Shape, type TypedArray } from "./array.ts";
import { formFor, formNamed, formsOf, type Forms } from "./forms.ts";
import * as special from "./special.ts";
import { begin, byRows, end, input, output, type Rows } from "./staging.ts";
import { empty, heapOf, offsetOf, type NdArray } from "./storage.ts";

/** Whether to overwrite (0) or to add to (1) what is there. */
export type Beta = 0 | 1;
export type UnaryKernel = (x: NdArray) => NdArray;
export type BinaryKernel = (x: NdArray, y: NdArray) => NdArray;
/** A pull-back through y = f(x): into = slope(y)·dy + beta·into. */
export type SlopeKernel = (into: NdArray, beta: Beta, y: NdArray, dy: NdArray) => void;

// The scalar functions define the kernels: they are the twins, for int32 and for places without WebAssembly.
export const neg: UnaryKernel = /* @__PURE__ */ unary("neg", (x) => -x);
export const exp: UnaryKernel = /* @__PURE__ */ unary("exp", Math.exp);
export const log: UnaryKernel = /* @__PURE__ */ unary("log", Math.log);
export const sqrt: UnaryKernel = /* @__PURE__ */ unary("sqrt", Math.sqrt);
export const tanh: UnaryKernel = /* @__PURE__ */ unary("tanh", Math.tanh);
export const sigmoid: UnaryKernel = /* @__PURE__ */ unary("sigmoid", (x) => 1 / (1 + Math.exp(-x)));
export const expm1: UnaryKernel = /* @__PURE__ */ unary("expm1", Math.expm1);
export const log1p: UnaryKernel = /* @__PURE__ */ unary("log1p", Math.log1p);
export const sin: UnaryKernel = /* @__PURE__ */ unary("sin", Math.sin);
export const cos: UnaryKernel = /* @__PURE__ */ unary("cos", Math.cos);
export const erf: UnaryKernel = /* @__PURE__ */ unary("erf", special.erf);
export const softplus: UnaryKernel = /* @__PURE__ */ unary("softplus", special.softplus);
export const silu: UnaryKernel = /* @__PURE__ */ unary("silu", special.silu);
export const gelu: UnaryKernel = /* @__PURE__ */ unary("gelu", special.gelu);
export const geluTanh: UnaryKernel = /* @__PURE__ */ unary("geluTanh", special.geluTanh);
export const abs: UnaryKernel = /* @__PURE__ */ unary("abs", Math.abs);
export const sign: UnaryKernel = /* @__PURE__ */ unary("sign", Math.sign);
export const square: UnaryKernel = /* @__PURE__ */ unary("square", (x) => x * x);
export const reciprocal: UnaryKernel = /* @__PURE__ */ unary("reciprocal", (x) => 1 / x);
export const rsqrt: UnaryKernel = /* @__PURE__ */ unary("rsqrt", (x) => 1 / Math.sqrt(x));
export const relu: UnaryKernel = /* @__PURE__ */ unary("relu", (x) => (x <= 0 ? 0 : x));
export const leakyRelu: (x: NdArray, slope: number) => NdArray = /* @__PURE__ */ unary("leakyRelu", (x, slope) =>
  x <= 0 ? slope * x : x,
);
export const clip: (x: NdArray, lowest: number, highest: number) => NdArray = /* @__PURE__ */ unary(
  "clip",
  (x, lowest, highest) => (x > highest ? highest : x < lowest ? lowest : x),
);

export const add: BinaryKernel = /* @__PURE__ */ binary("add", (x, y) => x + y);
export const sub: BinaryKernel = /* @__PURE__ */ binary("sub", (x, y) => x - y);
export const mul: BinaryKernel = /* @__PURE__ */ binary("mul", (x, y) => x * y, Math.imul);
export const div: BinaryKernel = /* @__PURE__ */ binary("div", (x, y) => x / y);
export const divNoNan: BinaryKernel = /* @__PURE__ */ binary("divNoNan", (x, y) => (y === 0 ? 0 : x / y));
export const mulNoNan: BinaryKernel = /* @__PURE__ */ binary("mulNoNan", (x, y) => (y === 0 ? 0 : x * y));
export const maximum: BinaryKernel = /* @__PURE__ */ binary("maximum", (x, y) => Math.max(x, y));
export const minimum: BinaryKernel = /* @__PURE__ */ binary("minimum", (x, y) => Math.min(x, y));
export const pow: BinaryKernel = /* @__PURE__ */ binary("pow", (x, y) => x ** y);

export const equal: BinaryKernel = /* @__PURE__ */ comparison("equal", (x, y) => x === y);
export const notEqual: BinaryKernel = /* @__PURE__ */ comparison("notEqual", (x, y) => x !== y);
export const less: BinaryKernel = /* @__PURE__ */ comparison("less", (x, y) => x < y);
export const lessEqual: BinaryKernel = /* @__PURE__ */ comparison("lessEqual", (x, y) => x <= y);
export const greater: BinaryKernel = (x, y) => less(y, x);
export const greaterEqual: BinaryKernel = (x, y) => lessEqual(y, x);

export const logicalAnd: BinaryKernel = /* @__PURE__ */ connective("logicalAnd", (x, y) => x !== 0 && y !== 0);
export const logicalOr: BinaryKernel = /* @__PURE__ */ connective("logicalOr", (x, y) => x !== 0 || y !== 0);

export const tanhGrad: SlopeKernel = /* @__PURE__ */ slope("tanhGrad", (y) => 1 - y * y);
export const sigmoidGrad: SlopeKernel = /* @__PURE__ */ slope("sigmoidGrad", (y) => y * (1 - y));
export const reluGrad: SlopeKernel = /* @__PURE__ */ slope("reluGrad", (y) => (y !== 0 ? 1 : 0));

/** A function of x and of up to two numbers, which are rounded to x's dtype first. */
function unary(
  name: string,
  define: (x: number, p: number, q: number) => number,
): (x: NdArray, p?: number, q?: number) => NdArray {
  const forms = formsOf(name);
  return (x, p = 0, q = 0) => {
    const out = empty(x.shape, x.dtype);
    const wasm = formFor(forms, x.dtype);
    if (!wasm) {
      const [a, b] = x.dtype === "float32" ? [Math.fround(p), Math.fround(q)] : [p, q];
      const [from, to] = [view(x), view(out)];
      for (let i = 0; i < to.length; i++) to[i] = define(from[i]!, a, b);
    } else if (x.storage.pointer > 0 && out.storage.pointer > 0)
      wasm(out.storage.length, x.storage.pointer, out.storage.pointer, p, q);
    else staged((n, from, to) => wasm(n, from, to, p, q), [x], out);
    return out;
  };
}

function binary(name: string, define: (x: number, y: number) => number, int = define): BinaryKernel {
  const forms = formsOf(name);
  return (x, y) => {
    const out = empty(x.shape, x.dtype);
    binaryInto(forms, out, x, y, x.dtype === "int32" ? int : define);
    return out;
  };
}

function binaryInto(
  forms: Forms,
  out: NdArray,
  x: NdArray,
  y: NdArray,
  define: (x: number, y: number) => number,
): void {
  const wasm = formFor(forms, x.dtype);
  const { length, pointer } = out.storage;
  if (!wasm) zip(out, x, y, define);
  else if (x.storage.pointer > 0 && y.storage.pointer > 0 && pointer > 0)
    wasm(length, x.storage.pointer, y.storage.pointer, pointer);
  else staged(wasm, [x, y], out);
}

function comparison(name: string, define: (x: number, y: number) => boolean): BinaryKernel {
  const forms = formsOf(name);
  return (x, y) => {
    const out = empty(x.shape, "bool");
    binaryInto(forms, out, x, y, (p, q) => (define(p, q) ? 1 : 0));
    return out;
  };
}

function connective(name: string, define: (x: number, y: number) => boolean): BinaryKernel {
  const forms = formsOf(name);
  return (x, y) => {
    formNamed("", forms.twin);
    const out = empty(x.shape, "bool");
    zip(out, x, y, (p, q) => (define(p, q) ? 1 : 0));
    return out;
  };
}

function slope(name: string, define: (y: number) => number): SlopeKernel {
  const forms = formsOf(name);
  return (into, beta, y, dy) => {
    const wasm = formFor(forms, y.dtype);
    if (wasm) {
      staged((n, ...at) => wasm(n, ...at, beta), [y, dy], into, beta);
      return;
    }
    const n = into.storage.length;
    const [Y, D, T] = [heapOf(y.storage), heapOf(dy.storage), heapOf(into.storage)];
    const [p, q, t] = [offsetOf(y.storage), offsetOf(dy.storage), offsetOf(into.storage)];
    for (let i = 0; i < n; i++) {
      const d = D[q + i]!;
      const value = d === 0 ? 0 : define(Y[p + i]!) * d;
      T[t + i] = beta ? T[t + i]! + value : value;
    }
  };
}

const addForms = /* @__PURE__ */ formsOf("add");
const mulNoNanForms = /* @__PURE__ */ formsOf("mulNoNan");

/** into += x. */
export function addInto(into: NdArray, x: NdArray): void {
  binaryInto(addForms, into, into, x, (p, q) => p + q);
}

/** out = x + y, into an array that exists. */
export function addTo(out: NdArray, x: NdArray, y: NdArray): void {
  binaryInto(addForms, out, x, y, (p, q) => p + q);
}

/** into = slope·dy + beta·into, 0 where dy is 0. */
export function mulNoNanInto(into: NdArray, beta: Beta, slope: NdArray, dy: NdArray): void {
  if (beta) addInto(into, mulNoNan(slope, dy));
  else binaryInto(mulNoNanForms, into, slope, dy, (p, q) => (q === 0 ? 0 : p * q));
}

const scaleForms = /* @__PURE__ */ formsOf("scale");

/** into = factor·x + beta·into, where x may be `into`; for a factor of 0 the term is 0, whatever x is. */
export function scaleInto(into: NdArray, beta: Beta, x: NdArray, factor: number): void {
  if (factor === 1 && beta === 0 && into.storage === x.storage) return;
  if (factor === 0) {
    if (!beta) fillInto(into, 0);
    return;
  }
  const wasm = formFor(scaleForms, x.dtype);
  if (wasm) {
    staged((n, from, to) => wasm(n, from, to, factor, beta), [x], into, beta);
    return;
  }
  const by = x.dtype === "float32" ? Math.fround(factor) : factor;
  const [from, to] = [view(x), view(into)];
  for (let i = 0; i < to.length; i++) to[i] = (beta ? to[i]! : 0) + from[i]! * by;
}

const selectForms = { 1: "select_u8", 4: "select_u32", 8: "select_u64" } as const;

/** condition ? x : y for a bool condition; what is not selected has no influence. */
export function select(condition: NdArray, x: NdArray, y: NdArray): NdArray {
  const out = empty(x.shape, x.dtype);
  const wasm = formNamed(selectForms[bytesOf[x.dtype]], "select_twin");
  if (wasm) {
    staged(wasm, [condition, x, y], out);
    return out;
  }
  const [C, X, Y, T] = [heapOf(condition.storage), heapOf(x.storage), heapOf(y.storage), heapOf(out.storage)];
  const [c, p, q, t] = [offsetOf(condition.storage), offsetOf(x.storage), offsetOf(y.storage), offsetOf(out.storage)];
  for (let i = 0, n = out.storage.length; i < n; i++) T[t + i] = C[c + i] ? X[p + i]! : Y[q + i]!;
  return out;
}

/** The same values in another dtype: to bool by ≠ 0, to int32 by truncation. */
export function cast(x: NdArray, dtype: DType): NdArray {
  const out = empty(x.shape, dtype);
  const [from, to] = [view(x), view(out)];
  if (dtype !== "bool") to.set(from);
  else for (let i = 0; i < to.length; i++) to[i] = from[i] === 0 ? 0 : 1;
  return out;
}

/** An array of one value. */
export function fill(shape: Shape, value: number, dtype: DType): NdArray {
  const out = empty(shape, dtype);
  fillInto(out, value);
  return out;
}

export function fillInto(into: NdArray, value: number): void {
  const at = offsetOf(into.storage);
  heapOf(into.storage).fill(value, at, at + into.storage.length);
}

/**
 * A loop of one's own over whole arrays: `run` gets the result's elements and those of each input as typed arrays, which
 * are valid during the call only.
 */
export function loop(
  inputs: readonly NdArray[],
  shape: Shape,
  dtype: DType,
  run: (out: TypedArray, ...inputs: TypedArray[]) => void,
): NdArray {
  const out = empty(shape, dtype);
  run(view(out), ...inputs.map(view));
  return out;
}

/** The elements where they lie: to be read at once, and not after the next allocation. */
export function view({ storage }: NdArray): TypedArray {
  const at = offsetOf(storage);
  return storage.array ?? heapOf(storage).subarray(at, at + storage.length);
}

function zip(out: NdArray, x: NdArray, y: NdArray, define: (x: number, y: number) => number): void {
  const [X, Y, T] = [heapOf(x.storage), heapOf(y.storage), heapOf(out.storage)];
  const [p, q, t] = [offsetOf(x.storage), offsetOf(y.storage), offsetOf(out.storage)];
  for (let i = 0, n = out.storage.length; i < n; i++) T[t + i] = define(X[p + i]!, Y[q + i]!);
}

/** Outside a step, few elements are copied in and out whole; many in blocks. */
const FEW = 1024;

function staged(
  wasm: (n: number, ...at: number[]) => void,
  inputs: readonly NdArray[],
  out: NdArray,
  beta: Beta = 0,
): void {
  const n = out.storage.length;
  if (n <= FEW) {
    begin();
    const at = inputs.map((x) => input(x.storage));
    wasm(n, ...at, output(out.storage, beta === 1));
    end();
  } else {
    const operands = [...inputs.map((x) => row(x, "read")), row(out, beta ? "add" : "write")];
    byRows(n, operands, (count, at) => wasm(count, ...at));
  }
}

function row(x: NdArray, use: Rows["use"]): Rows {
  return { storage: x.storage, width: 1, use };
}
