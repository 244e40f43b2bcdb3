import { sizeOf, type DType } from "./array.ts";
import { fill, notEqual, type Beta } from "./elementwise.ts";
import { formFor, formNamed, formsOf, type Forms } from "./forms.ts";
import { memory } from "./memory.ts";
import { byRows, type Rows } from "./staging.ts";
import { empty, heapOf, offsetOf, type NdArray } from "./storage.ts";

/** Rows of logits, what they are compared with, and how. What does not count is not read. */
export interface CrossEntropy {
  /** [rows, n], or a block of n of a row's columns. */
  readonly logits: NdArray;
  /** int32 [rows], or distributions [rows, n] of the logits' dtype. */
  readonly labels: NdArray;
  /** Which places of the logits count, bool [rows, n]; null for all. */
  readonly classes: NdArray | null;
  /** Which rows count, bool [rows]; null for all. */
  readonly live: NdArray | null;
  /** The share ε of each target that is spread evenly over the row's places. */
  readonly smoothing: number;
  /** λ of the term λ·(log Σ exp logits)². */
  readonly zLoss: number;
}

// What a row gathers, block after block: the largest logit, Σ exp(x − top), Σ y·(x − top), Σ y, Σ (x − top), their number.
const STATE = 6;
/**
 * What a row's gradient needs: top, log Σ exp(x − top), and, where they are not 1 and 0 for all rows, the factor of the softmax
 * and ε over the number of places.
 */
export function statsWidth({ labels, smoothing, zLoss }: Pick<CrossEntropy, "labels" | "smoothing" | "zLoss">): 2 | 4 {
  return labels.dtype === "int32" && smoothing === 0 && zLoss === 0 ? 2 : 4;
}

/** With z = log Σ exp x, loss = (1 − ε)·(z·Σ y − Σ y·x) + ε·(z − mean x) + λ·z² of each row; 0 where it does not count. */
export function crossEntropy(rows: CrossEntropy): { loss: NdArray; stats: NdArray } {
  const states = crossEntropyStates(rowsOf(rows.logits));
  crossEntropyBlock(states, rows, 0);
  return crossEntropyFinish(states, rows, rows.logits.dtype);
}

export function crossEntropyStates(rows: number): NdArray {
  return empty([rows, STATE], "float64");
}

const blockForms: Forms = /* @__PURE__ */ formsOf("crossEntropyBlock");
const finishForms: Forms = /* @__PURE__ */ formsOf("crossEntropyFinish");
const gradForms: Forms = /* @__PURE__ */ formsOf("crossEntropyGrad");

/** Adds a block of columns, whose first has the number `from`, to the states, which begin where `from` is 0. */
export function crossEntropyBlock(states: NdArray, rows: CrossEntropy, from: number): void {
  const { logits, smoothing } = rows;
  const [count, n] = [rowsOf(logits), widthOf(logits)];
  const wasm = formFor(blockForms, logits.dtype);
  if (wasm) {
    const operands = [...operandsOf(rows), row(states, STATE, "add")];
    byRows(count, operands, (count, [x, classes, live, labels, soft, states]) =>
      wasm(count, n, x!, classes!, live!, labels!, soft!, from, smoothing, states!),
    );
    return;
  }
  const [S, at] = [heapOf(states.storage), offsetOf(states.storage)];
  for (let r = 0; r < count; r++) {
    const state = at + r * STATE;
    if (from === 0) S.set([-Infinity, 0, 0, 0, 0, 0], state);
    const row = rowOf(rows, r, from);
    if (!row) continue;
    const [before, sum, dot, mass, spread, places] = S.subarray(state, state + STATE) as unknown as State;
    let top = before;
    for (let j = 0; j < n; j++) if (row.counts(j) && (row.x(j) > top || row.x(j) !== row.x(j))) top = row.x(j);
    const shift = shiftOf(top);
    const risen = shift - shiftOf(before);
    const next: State = [
      top,
      sum === 0 ? 0 : sum * Math.exp(-risen),
      mass === 0 ? dot : dot - mass * risen,
      mass,
      spread - places * risen,
      places,
    ];
    for (let j = 0; j < n; j++) {
      if (!row.counts(j)) continue;
      next[1] += Math.exp(row.x(j) - shift);
      next[2] += row.y(j) === 0 ? 0 : row.y(j) * (row.x(j) - shift);
      next[3] += row.y(j);
      next[4] += row.x(j) - shift;
      next[5]++;
    }
    S.set(next, state);
  }
}

/** The loss [rows] and the statistics of rows whose states are complete. */
export function crossEntropyFinish(
  states: NdArray,
  rows: Pick<CrossEntropy, "labels" | "live" | "smoothing" | "zLoss">,
  dtype: DType,
): { loss: NdArray; stats: NdArray } {
  const { live, smoothing, zLoss } = rows;
  const [count, width] = [states.shape[0]!, statsWidth(rows)];
  const [loss, stats] = [empty([count], dtype), empty([count, width], dtype)];
  const wasm = formFor(finishForms, dtype);
  if (wasm) {
    const operands = [live && row(live), row(states, STATE), row(loss, 1, "write"), row(stats, width, "write")];
    byRows(count, operands, (count, [live, states, loss, stats]) =>
      wasm(count, live!, states!, smoothing, zLoss, loss!, stats!, width),
    );
    return { loss, stats };
  }
  const [S, L, T, A] = [
    heapOf(states.storage),
    heapOf(loss.storage),
    heapOf(stats.storage),
    live && heapOf(live.storage),
  ];
  const [s, l, t, a] = [
    offsetOf(states.storage),
    offsetOf(loss.storage),
    offsetOf(stats.storage),
    live ? offsetOf(live.storage) : 0,
  ];
  for (let r = 0; r < count; r++) {
    const [top, sum, dot, mass, spread, places] = S.subarray(s + r * STATE, s + (r + 1) * STATE) as unknown as State;
    const log = Math.log(sum);
    const z = shiftOf(top) + log;
    const share = smoothing === 0 ? 0 : smoothing / places;
    let value = (1 - smoothing) * ((mass === 0 ? 0 : mass * log) - dot);
    if (smoothing !== 0) value += smoothing * log - share * spread;
    if (zLoss !== 0) value += zLoss * z * z;
    const factor = (1 - smoothing) * mass + smoothing + (zLoss === 0 ? 0 : 2 * zLoss * z);
    L[l + r] = A && !A[a + r] ? 0 : value;
    T.set([shiftOf(top), log, factor, share].slice(0, width), t + r * width);
  }
  return { loss, stats };
}

/**
 * into = (softmax(x)·factor − (1 − ε)·y − ε/n)·dy[row] + beta·into; the term is 0 where dy is 0, and at what does not
 * count. `into` may be the logits themselves.
 */
export function crossEntropyGrad(
  into: NdArray,
  beta: Beta,
  rows: CrossEntropy,
  stats: NdArray,
  dy: NdArray,
  from = 0,
): void {
  const { smoothing, logits } = rows;
  const n = widthOf(logits);
  const wasm = formFor(gradForms, logits.dtype);
  if (!wasm) {
    return pullBack(into, beta, rows, stats, dy, from, ({ x, y }, [top, log, factor = 1, share = 0]) => {
      return (j) => Math.exp(x(j) - top - log) * factor - (1 - smoothing) * y(j) - share;
    });
  }
  const width = stats.shape[1]!;
  const operands = [...operandsOf(rows), row(stats, width), row(dy), row(into, n, beta ? "add" : "write")];
  byRows(rowsOf(logits), operands, (count, [x, classes, live, labels, soft, stats, dy, into]) =>
    wasm(count, n, x!, classes!, live!, labels!, soft!, from, smoothing, stats!, width, dy!, into!, beta),
  );
}

/** The same for the distributions: into = −(1 − ε)·log softmax(x)·dy[row] + beta·into. */
export function crossEntropyTargetGrad(
  into: NdArray,
  beta: Beta,
  rows: CrossEntropy,
  stats: NdArray,
  dy: NdArray,
): void {
  formNamed("", "crossEntropyTargetGrad_twin"); // alone: a target that takes a gradient is rare
  pullBack(
    into,
    beta,
    rows,
    stats,
    dy,
    0,
    ({ x }, [top, log]) =>
      (j) =>
        (1 - rows.smoothing) * (log - (x(j) - top)),
  );
}

const sumForms: Forms = /* @__PURE__ */ formsOf("crossEntropySum");

/**
 * Σ weight·loss over the rows, and, if asked for, the slope of it in the logits [rows, n], 0 in rows of weight 0, which are
 * not read. One pass: the exponentials of a row become its slope.
 */
export function crossEntropySum(
  { logits, labels, smoothing, zLoss }: Pick<CrossEntropy, "logits" | "labels" | "smoothing" | "zLoss">,
  weights: NdArray,
  slopes: boolean,
): { sum: NdArray; slope: NdArray | null } {
  const rows = { logits, labels, classes: null, live: null, smoothing, zLoss };
  const slope = slopes ? empty(logits.shape, logits.dtype) : null;
  const wasm = formFor(sumForms, logits.dtype);
  if (!wasm) {
    const counted = { ...rows, live: notEqual(weights, fill(weights.shape, 0, weights.dtype)) };
    const { loss, stats } = crossEntropy(counted);
    if (slope) crossEntropyGrad(slope, 0, counted, stats, weights);
    const [L, W, l, w] = [
      heapOf(loss.storage),
      heapOf(weights.storage),
      offsetOf(loss.storage),
      offsetOf(weights.storage),
    ];
    let sum = 0;
    for (let r = 0; r < rowsOf(logits); r++) if (W[w + r] !== 0) sum += W[w + r]! * L[l + r]!;
    return { sum: fill([], sum, logits.dtype), slope };
  }
  const n = widthOf(logits);
  const [x, , , hard, soft] = operandsOf(rows);
  const { scratch } = memory();
  const total = scratch / Float64Array.BYTES_PER_ELEMENT;
  memory().f64[total] = 0;
  byRows(
    rowsOf(logits),
    [x!, hard!, soft!, row(weights), slope && row(slope, n, "write")],
    (count, [x, labels, soft, weights, slope]) =>
      wasm(count, n, x!, labels!, soft!, smoothing, zLoss, weights!, slope!, scratch),
  );
  return { sum: fill([], memory().f64[total]!, logits.dtype), slope };
}

type State = [top: number, sum: number, dot: number, mass: number, spread: number, places: number];
type Stats = readonly [top: number, log: number, factor?: number, share?: number];

/** A row as the twins see it, or null if it does not count. */
interface Row {
  readonly x: (j: number) => number;
  readonly y: (j: number) => number;
  readonly counts: (j: number) => boolean;
}

function rowOf({ logits, labels, classes, live }: CrossEntropy, r: number, from: number): Row | null {
  if (live && !heapOf(live.storage)[offsetOf(live.storage) + r]) return null;
  const n = widthOf(logits);
  const [X, x] = [heapOf(logits.storage), offsetOf(logits.storage) + r * n];
  const [Y, y] = [heapOf(labels.storage), offsetOf(labels.storage)];
  const [C, c] = [classes && heapOf(classes.storage), classes ? offsetOf(classes.storage) + r * n : 0];
  return {
    x: (j) => X[x + j]!,
    y: labels.dtype === "int32" ? (j) => (Y[y + r] === from + j ? 1 : 0) : (j) => Y[y + r * n + j]!,
    counts: (j) => !C || C[c + j] !== 0,
  };
}

function pullBack(
  into: NdArray,
  beta: Beta,
  rows: CrossEntropy,
  stats: NdArray,
  dy: NdArray,
  from: number,
  slopeOf: (row: Row, stats: Stats) => (j: number) => number,
): void {
  const [n, width] = [widthOf(rows.logits), widthOf(stats)];
  const [T, S, D] = [heapOf(into.storage), heapOf(stats.storage), heapOf(dy.storage)];
  const [t, s, d] = [offsetOf(into.storage), offsetOf(stats.storage), offsetOf(dy.storage)];
  for (let r = 0; r < rowsOf(rows.logits); r++) {
    const factor = D[d + r]!;
    const row = factor === 0 ? null : rowOf(rows, r, from);
    const slope = row && slopeOf(row, [...S.subarray(s + r * width, s + (r + 1) * width)] as unknown as Stats);
    for (let j = 0, at = t + r * n; j < n; j++, at++) {
      const term = slope && row.counts(j) ? slope(j) * factor : 0;
      T[at] = beta ? T[at]! + term : term;
    }
  }
}

const shiftOf = (top: number): number => (top === -Infinity ? 0 : top);
const widthOf = (x: NdArray): number => x.shape[x.shape.length - 1]!;
const rowsOf = (x: NdArray): number => sizeOf(x.shape.slice(0, -1));

/** Logits, classes, live, labels, distributions, as the kernels take them. */
function operandsOf({ logits, labels, classes, live }: CrossEntropy): (Rows | null)[] {
  const n = widthOf(logits);
  const sparse = labels.dtype === "int32";
  return [
    row(logits, n),
    classes && row(classes, n),
    live && row(live),
    sparse ? row(labels) : null,
    sparse ? null : row(labels, n),
  ];
}

function row({ storage }: NdArray, width = 1, use: Rows["use"] = "read"): Rows {
  return { storage, width, use };
}
