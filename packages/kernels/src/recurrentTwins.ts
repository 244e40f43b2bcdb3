import type { Wasm } from "./forms.ts";

// The definitions of the kernels in assembly/recurrent.ts, and of three more that recurrent layers call. They take the same
// numbers as the module's forms: addresses, in bytes, of places in the linear memory.

export type Floats = Float32Array | Float64Array;
export type Twin = (x: Floats, ints: Int32Array) => Wasm;

/** The elements of a matrix at an address: where that in row `row` and column `j` is. */
type Place = (row: number, j: number) => number;
const matrix =
  (x: Floats, address: number, width: number): Place =>
  (row, j) =>
    address / x.BYTES_PER_ELEMENT + row * width + j;

/** Calls with each row and column, and with whether the row has ended. */
function each(
  rows: number,
  H: number,
  t: number,
  lengths: Int32Array,
  call: (row: number, j: number, ended: boolean) => void,
): void {
  for (let row = 0; row < rows; row++) for (let j = 0; j < H; j++) call(row, j, t >= lengths[row]!);
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** slope·d, but 0 where d is. */
const pull = (slope: number, d: number): number => (d === 0 ? 0 : slope * d);

/** Gates [n, r, z, m] to n = tanh(n + r·m), r = σ(r), z = σ(z); out = n + z·(previous − n). */
export const gruGates: Twin = (x, ints) => (rows, H, t, lengths, gates, previous, previousRow, out, outRow) => {
  const [gate, before, to] = [matrix(x, gates, 4 * H), matrix(x, previous, previousRow), matrix(x, out, outRow)];
  each(rows, H, t, ints.subarray(lengths / 4), (row, j, ended) => {
    x[to(row, j)] = 0;
    if (ended) return;
    const r = sigmoid(x[gate(row, H + j)]!);
    const z = sigmoid(x[gate(row, 2 * H + j)]!);
    const n = Math.tanh(x[gate(row, j)]! + r * x[gate(row, 3 * H + j)]!);
    x[to(row, j)] = n + z * (x[before(row, j)]! - n);
    [n, r, z].forEach((value, i) => (x[gate(row, i * H + j)] = value));
  });
};

/** Gates to their gradients, and dh to that of the previous state. */
export const gruGatesGrad: Twin = (x, ints) => (rows, H, t, lengths, gates, previous, previousRow, dy, dh) => {
  const [gate, before] = [matrix(x, gates, 4 * H), matrix(x, previous, previousRow)];
  const [dOut, dState] = [matrix(x, dy, H), matrix(x, dh, H)];
  each(rows, H, t, ints.subarray(lengths / 4), (row, j, ended) => {
    const put = (...values: number[]): void => values.forEach((value, i) => (x[gate(row, i * H + j)] = value));
    if (ended) return put(0, 0, 0, 0);
    const [n, r, z, m] = [0, 1, 2, 3].map((i) => x[gate(row, i * H + j)]!) as [number, number, number, number];
    const d = x[dState(row, j)]! + x[dOut(row, j)]!;
    const dn = pull((1 - z) * (1 - n * n), d);
    put(dn, pull(m * r * (1 - r), dn), pull((x[before(row, j)]! - n) * z * (1 - z), d), pull(r, dn));
    x[dState(row, j)] = pull(z, d);
  });
};

/** Gates [i, f, g, o] to σ, but tanh for g; cell = f·previous + i·g; out = o·tanh(cell). */
export const lstmGates: Twin = (x, ints) => (rows, H, t, lengths, gates, previous, previousRow, out, outRow, cell) => {
  const [gate, before] = [matrix(x, gates, 4 * H), matrix(x, previous, previousRow)];
  const [to, memory] = [matrix(x, out, outRow), matrix(x, cell, H)];
  each(rows, H, t, ints.subarray(lengths / 4), (row, j, ended) => {
    x[to(row, j)] = 0;
    if (ended) return;
    const [i, f, o] = [0, 1, 3].map((k) => sigmoid(x[gate(row, k * H + j)]!)) as [number, number, number];
    const g = Math.tanh(x[gate(row, 2 * H + j)]!);
    const c = f * x[before(row, j)]! + i * g;
    x[memory(row, j)] = c;
    x[to(row, j)] = o * Math.tanh(c);
    [i, f, g, o].forEach((value, k) => (x[gate(row, k * H + j)] = value));
  });
};

/** Gates to their gradients, and dc to that of the previous cell. */
export const lstmGatesGrad: Twin =
  (x, ints) => (rows, H, t, lengths, gates, previous, previousRow, dy, dh, cell, dc) => {
    const [gate, before, memory] = [matrix(x, gates, 4 * H), matrix(x, previous, previousRow), matrix(x, cell, H)];
    const [dOut, dState, dCell] = [matrix(x, dy, H), matrix(x, dh, H), matrix(x, dc, H)];
    each(rows, H, t, ints.subarray(lengths / 4), (row, j, ended) => {
      const put = (...values: number[]): void => values.forEach((value, k) => (x[gate(row, k * H + j)] = value));
      if (ended) return put(0, 0, 0, 0);
      const [i, f, g, o] = [0, 1, 2, 3].map((k) => x[gate(row, k * H + j)]!) as [number, number, number, number];
      const y = Math.tanh(x[memory(row, j)]!);
      const d = x[dState(row, j)]! + x[dOut(row, j)]!;
      const change = x[dCell(row, j)]! + pull(o * (1 - y * y), d);
      const [toI, toF] = [pull(g * i * (1 - i), change), pull(x[before(row, j)]! * f * (1 - f), change)];
      put(toI, toF, pull(i * (1 - g * g), change), pull(y * o * (1 - o), d));
      x[dCell(row, j)] = pull(f, change);
    });
  };

/** out[i] = table[index[i]], for rows of `width`. */
export const takeRows: Twin = (x, ints) => (count, width, table, index, out) => {
  const [source, target] = [matrix(x, table, width), matrix(x, out, width)];
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < width; j++) x[target(i, j)] = x[source(ints[index / 4 + i]!, j)]!;
  }
};

/** into[index[i]] += from[i], for rows of `width`. */
export const scatterAddRows: Twin = (x, ints) => (count, width, from, index, into) => {
  const [source, target] = [matrix(x, from, width), matrix(x, into, width)];
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < width; j++) x[target(ints[index / 4 + i]!, j)]! += x[source(i, j)]!;
  }
};

/** out = Σ of the rows, each column in one float64 sum. `outer` is 1. */
export const sumRows: Twin = (x) => (outer, n, width, from, out) => {
  const [source, target] = [matrix(x, from, width), matrix(x, out, width)];
  for (let j = 0; j < width; j++) {
    let total = 0;
    for (let i = 0; i < n; i++) total += x[source(i, j)]!;
    x[target(outer - 1, j)] = total;
  }
};
