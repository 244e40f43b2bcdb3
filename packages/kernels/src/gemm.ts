import { bytesOf, type DType, type TypedArray } from "./array.ts";
import type { Beta } from "./elementwise.ts";
import { formFor, formsOf, type Forms } from "./forms.ts";
import { floatsOf, memory } from "./memory.ts";
import { begin, end, input, output, packedInStep, scratch } from "./staging.ts";
import { empty, heapOf, offsetOf, type NdArray, type Storage } from "./storage.ts";

const batchForms: Forms = /* @__PURE__ */ formsOf("gemmBatch");
const productForms: Forms = /* @__PURE__ */ formsOf("gemm");
const packForms: Forms = /* @__PURE__ */ formsOf("packFactor");

/** A·B for matrices in the last two axes, either read transposed. The axes before them are equal: a batch. */
export function matmul(a: NdArray, transposeA: boolean, b: NdArray, transposeB: boolean): NdArray {
  const [m, n] = [rowsOf(a, transposeA), rowsOf(b, !transposeB)];
  const out = empty(a.shape.length > 2 ? [...a.shape.slice(0, -2), m, n] : [m, n], a.dtype);
  matmulInto(out, 0, a, transposeA, b, transposeB);
  return out;
}

/** into = A·B + beta·into. */
export function matmulInto(
  into: NdArray,
  beta: Beta,
  a: NdArray,
  transposeA: boolean,
  b: NdArray,
  transposeB: boolean,
): void {
  const m = rowsOf(a, transposeA);
  const n = rowsOf(b, !transposeB);
  const k = rowsOf(a, !transposeA);
  const [aRow, aColumn] = transposeA ? [1, m] : [k, 1];
  const [bRow, bColumn] = transposeB ? [1, k] : [n, 1];
  let count = 1;
  for (let axis = 0; axis < a.shape.length - 2; axis++) count *= a.shape[axis]!;
  const wasm = formFor(count === 1 ? productForms : batchForms, into.dtype);
  if (!wasm) {
    gemmTwin(count, m, n, k, a, aRow, aColumn, b, bRow, bColumn, into, beta);
    return;
  }
  begin();
  const pa = input(a.storage);
  const pb = input(b.storage);
  const pc = output(into.storage, beta === 1);
  const packed = count === 1 && m > 1 && n > 1 ? packedFactor(b.storage, 1, n, k, pb, bRow, bColumn) : 0;
  const { workspace } = memory();
  if (count === 1) {
    wasm(m, n, k, pa, aRow, aColumn, packed || pb, bRow, bColumn, pc, n, beta, packed ? 1 : 0, workspace);
  } else wasm(count, m, n, k, pa, m * k, aRow, aColumn, pb, k * n, bRow, bColumn, pc, m * n, n, beta, workspace);
  end();
}

/** C = A·B + beta·C by the definition. */
function gemmTwin(
  count: number,
  m: number,
  n: number,
  k: number,
  a: NdArray,
  aRow: number,
  aColumn: number,
  b: NdArray,
  bRow: number,
  bColumn: number,
  into: NdArray,
  beta: Beta,
): void {
  const [A, B, C] = [heapOf(a.storage), heapOf(b.storage), heapOf(into.storage)];
  for (let item = 0; item < count; item++) {
    const p = offsetOf(a.storage) + item * m * k;
    const q = offsetOf(b.storage) + item * k * n;
    const c = offsetOf(into.storage) + item * m * n;
    productTwin(A, B, C, m, n, k, p, aRow, aColumn, q, bRow, bColumn, c, n, beta);
  }
}

function productTwin(
  A: TypedArray,
  B: TypedArray,
  C: TypedArray,
  m: number,
  n: number,
  k: number,
  a: number,
  aRow: number,
  aColumn: number,
  b: number,
  bRow: number,
  bColumn: number,
  c: number,
  cRow: number,
  beta: number,
): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let total = beta ? C[c + i * cRow + j]! : 0;
      for (let l = 0; l < k; l++) total += A[a + i * aRow + l * aColumn]! * B[b + l * bRow + j * bColumn]!;
      C[c + i * cRow + j] = total;
    }
  }
}

/** C = A·B + beta·C by address and strides, for operations that stage their operands themselves. */
export type ProductAt = (
  m: number,
  n: number,
  k: number,
  a: number,
  aRow: number,
  aColumn: number,
  b: number,
  bRow: number,
  bColumn: number,
  c: number,
  cRow: number,
  beta: number,
) => void;

export function productAt(dtype: DType): ProductAt {
  const wasm = formFor(productForms, dtype);
  const { workspace } = memory();
  if (wasm) {
    return (m, n, k, a, aRow, aColumn, b, bRow, bColumn, c, cRow, beta) =>
      wasm(m, n, k, a, aRow, aColumn, b, bRow, bColumn, c, cRow, beta, 0, workspace);
  }
  const size = bytesOf[dtype];
  return (m, n, k, a, aRow, aColumn, b, bRow, bColumn, c, cRow, beta) => {
    const heap = floatsOf(dtype);
    productTwin(heap, heap, heap, m, n, k, a / size, aRow, aColumn, b / size, bRow, bColumn, c / size, cRow, beta);
  };
}

/** C = A·B + beta·C, for A [m, k] and C [m, n] of one size, and one B. */
export type ProductBy = (a: number, aRow: number, aColumn: number, c: number, cRow: number, beta: number) => void;

/** `times` products by B [k, n], which lies at the address `b` of an array. Takes scratch memory. */
export function productBy(
  { storage, dtype }: NdArray,
  times: number,
  m: number,
  n: number,
  k: number,
  b: number,
  bRow: number,
  bColumn: number,
): ProductBy {
  if (!memory().wasm) {
    const product = productAt(dtype);
    return (a, aRow, aColumn, c, cRow, beta) => product(m, n, k, a, aRow, aColumn, b, bRow, bColumn, c, cRow, beta);
  }
  const packed = packedFactor(storage, times, n, k, b, bRow, bColumn);
  const [factor, isPacked] = [packed || b, packed ? 1 : 0];
  const wasm = formFor(productForms, dtype)!;
  const { workspace } = memory();
  return (a, aRow, aColumn, c, cRow, beta) =>
    wasm(m, n, k, a, aRow, aColumn, factor, bRow, bColumn, c, cRow, beta, isPacked, workspace);
}

/** What a packed factor may take to be kept: of a large one, such as an output layer's, a step holds no second copy. */
const KEPT_BYTES = 1 << 20;

/**
 * The address of B packed: for several products, or as it was packed for earlier ones of the step, if it is a weight from
 * outside. 0 where it is not worth it.
 */
function packedFactor(
  storage: Storage,
  times: number,
  n: number,
  k: number,
  b: number,
  bRow: number,
  bColumn: number,
): number {
  const { dtype } = storage;
  const length = Math.ceil(n / 8) * 8 * k;
  const pack = (to: number): void => formFor(packForms, dtype)!(n, k, b, bRow, bColumn, to);
  const keeps = length * bytesOf[dtype] <= KEPT_BYTES;
  const kept = keeps ? packedInStep(storage, `${b},${bRow},${n},${k}`, length, pack) : 0;
  if (kept || times === 1) return kept;
  const to = scratch(length, dtype);
  pack(to);
  return to;
}

const rowsOf = (x: NdArray, transposed: boolean): number => x.shape[x.shape.length - (transposed ? 1 : 2)]!;
