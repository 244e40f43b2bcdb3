import { broadcastTo, defineOp, DTypeError, ShapeError, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { batchOf, checkFloats, checkOptions } from "./arguments.ts";
import { expandDims, reshape, squeeze } from "./reshape.ts";

export interface MatmulOptions {
  /** Read the matrices of `a` transposed, without a copy. Default: false. */
  readonly transposeA?: boolean;
  /** Read the matrices of `b` transposed, without a copy. Default: false. */
  readonly transposeB?: boolean;
}

interface Transposed {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/**
 * Y = A·B for the matrices in the last two axes, [m, k]·[k, n] = [m, n]; the axes before them, a batch, broadcast. A vector
 * is a row on the left and a column on the right, transposed or not, and has no axis in Y: [k]·[k, n] = [n], [k]·[k] = [].
 * dA = dY·Bᵀ, dB = Aᵀ·dY.
 * @throws ShapeError for a scalar, inner lengths that differ, or batches that do not broadcast; DTypeError for mixed dtypes
 * and all but floats.
 * @example
 * console.log(matmul(tensor([[1, 2]]), tensor([[3], [4]]))); // => float32[1,1] [[11]]
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  checkFloats("matmul", { a, b });
  checkOptions("matmul", options);
  const { transposeA = false, transposeB = false } = options;
  if (a.dtype !== b.dtype) throw new DTypeError("matmul", "mixed dtypes", { a, b }, "one dtype");
  const row = a.shape.length === 1;
  const column = b.shape.length === 1;
  if (a.shape.length === 0 || b.shape.length === 0) {
    throw new ShapeError("matmul", "neither matrix nor vector", { a, b }, "one axis or more");
  }
  const inner = a.shape[a.shape.length - (transposeA && !row ? 2 : 1)];
  if (inner !== b.shape[b.shape.length - (transposeB || column ? 1 : 2)]) {
    throw new ShapeError("matmul", "inner lengths differ", { a, transposeA, b, transposeB }, "[…, m, k] and […, k, n]");
  }
  if (row || column) {
    const matrices = [row ? expandDims(a, { axis: 0 }) : a, column ? expandDims(b, { axis: 1 }) : b] as const;
    const y = matmul(...matrices, { transposeA: transposeA && !row, transposeB: transposeB && !column });
    return squeeze(y, { axis: [...(row ? [-2] : []), ...(column ? [-1] : [])] });
  }
  const attrs = { transposeA, transposeB };
  if (a.shape.length === 2 && b.shape.length === 2) return matmulOp({ a, b }, attrs); // small ones feel a batch's checks
  if (b.shape.length === 2 && a.shape.length > 2 && !transposeA) {
    const rows = a.shape.slice(0, -1); // one matrix for all: the batch is more rows
    const y = matmulOp({ a: reshape(a, [k.sizeOf(rows), a.shape.at(-1)!]), b }, attrs);
    return reshape(y, [...rows, y.shape[1]!]);
  }
  const batch = batchOf("matmul", a, b);
  return matmulOp(
    { a: broadcastTo(a, [...batch, ...a.shape.slice(-2)]), b: broadcastTo(b, [...batch, ...b.shape.slice(-2)]) },
    attrs,
  );
}
const matmulOp = /* @__PURE__ */ defineOp({
  name: "matmul",
  inputs: ["a", "b"],
  keeps: ["a", "b"],
  forward: ({ a, b }, { transposeA, transposeB }: Transposed) => k.matmul(a, transposeA, b, transposeB),
  vjp: ({ a, b }, { transposeA: ta, transposeB: tb }) => ({
    a: (dy) => (ta ? matmul(b, dy, { transposeA: tb, transposeB: true }) : matmul(dy, b, { transposeB: !tb })),
    b: (dy) => (tb ? matmul(dy, a, { transposeA: true, transposeB: ta }) : matmul(a, dy, { transposeA: !ta })),
  }),
  backward: ({ a, b }, { transposeA: ta, transposeB: tb }) => ({
    a: (dy, into, beta) =>
      ta ? k.matmulInto(into, beta, b, tb, dy, true) : k.matmulInto(into, beta, dy, false, b, !tb),
    b: (dy, into, beta) =>
      tb ? k.matmulInto(into, beta, dy, true, a, ta) : k.matmulInto(into, beta, a, !ta, dy, false),
  }),
});
