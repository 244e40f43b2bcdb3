import {
  crossEntropyBlock,
  crossEntropyFinish,
  crossEntropyGrad,
  crossEntropyStates,
  crossEntropyTargetGrad,
  statsWidth,
  type CrossEntropy,
} from "./crossEntropy.ts";
import { fill, fillInto, type Beta } from "./elementwise.ts";
import { matmulInto } from "./gemm.ts";
import { boxAlong, broadcast, writeBox } from "./layout.ts";
import { sum } from "./reduce.ts";
import {
  closeScope,
  currentScope,
  empty,
  heapOf,
  offsetOf,
  openScope,
  reshaped,
  rowsAt,
  type NdArray,
} from "./storage.ts";

/** Softmax cross-entropy of the logits hidden·weightᵀ + bias, which are never held whole. */
export interface LinearCrossEntropy extends Pick<CrossEntropy, "labels" | "live" | "smoothing" | "zLoss"> {
  /** [rows, H] */
  readonly hidden: NdArray;
  /** [V, H] */
  readonly weight: NdArray;
  /** [V] */
  readonly bias: NdArray;
}

/** Where a gradient is added; null where none is wanted. */
interface Target {
  readonly into: NdArray;
  readonly beta: Beta;
}

// A block of logits, half a MB in float32: it stays in the second-level cache, and the products run at full speed.
const ROWS = 512;
const COLUMNS = 256;

/** loss [rows] and the statistics that its gradient needs. Rows that do not count are 0 and not read. */
export function linearCrossEntropy(given: LinearCrossEntropy): { loss: NdArray; stats: NdArray } {
  const { hidden } = given;
  const loss = fill([hidden.shape[0]!], 0, hidden.dtype);
  const stats = fill([hidden.shape[0]!, statsWidth(given)], 0, hidden.dtype);
  for (const part of partsOf(given)) {
    scoped(() => {
      const states = crossEntropyStates(part.length);
      const h = rowsOf(hidden, part);
      eachBlock(given, part, h, (block, from) => crossEntropyBlock(states, block, from));
      const done = crossEntropyFinish(states, { ...given, live: null }, hidden.dtype);
      addRows(loss, done.loss, part);
      addRows(stats, done.stats, part);
    });
  }
  return { loss, stats };
}

/** into = the pull-back of dy [rows] + beta·into, for each of the inputs that is asked for. */
export function linearCrossEntropyGrad(
  to: {
    readonly hidden: Target | null;
    readonly weight: Target | null;
    readonly bias: Target | null;
    readonly labels: Target | null;
  },
  given: LinearCrossEntropy,
  stats: NdArray,
  dy: NdArray,
): void {
  const parts = partsOf(given, dy);
  for (const [name, target] of Object.entries(to)) {
    const isWritten = name === "weight" && parts.length > 0; // all of it, by the first part
    if (target?.beta === 0 && !isWritten) fillInto(target.into, 0);
  }
  for (const part of parts) {
    scoped(() => {
      const h = rowsOf(given.hidden, part);
      const [itsStats, itsDy] = [rowsOf(stats, part), rowsOf(reshaped(dy, [given.hidden.shape[0]!]), part)];
      const dh = to.hidden && fill(h.shape, 0, h.dtype);
      eachBlock(given, part, h, (block, from, weight) => {
        if (to.labels) {
          const dlabels = empty(block.logits.shape, h.dtype);
          crossEntropyTargetGrad(dlabels, 0, block, itsStats, itsDy);
          addRows(reshaped(to.labels.into, given.labels.shape), dlabels, part, from);
        }
        const dx = block.logits; // the gradient takes the place of the logits
        crossEntropyGrad(dx, 0, block, itsStats, itsDy, from);
        if (dh) matmulInto(dh, 1, dx, false, weight, false);
        if (to.weight) {
          const dw = rowsAt(to.weight.into, from, weight.shape[0]!);
          matmulInto(dw, part === parts[0] ? to.weight.beta : 1, dx, true, h, false);
        }
        if (to.bias) writeBox(to.bias.into, boxAlong(to.bias.into.shape, 0, from), sum(dx, [0]), 1);
      });
      if (dh) addRows(reshaped(to.hidden.into, given.hidden.shape), dh, part);
    });
  }
}

/** The numbers of the rows that count, and whose dy is not 0, in parts. */
function partsOf({ hidden, live }: LinearCrossEntropy, dy: NdArray | null = null): Int32Array[] {
  const numbers = [live, dy].reduce(
    (rows, x) => (x ? rows.filter((row) => heapOf(x.storage)[offsetOf(x.storage) + row] !== 0) : rows),
    new Int32Array(hidden.shape[0]!).map((_, row) => row),
  );
  const parts: Int32Array[] = [];
  for (let i = 0; i < numbers.length; i += ROWS) parts.push(numbers.subarray(i, i + ROWS));
  return parts;
}

/** Computes the logits of a part's rows, a block of columns at a time. */
function eachBlock(
  { weight, bias, labels, smoothing, zLoss }: LinearCrossEntropy,
  rows: Int32Array,
  hidden: NdArray,
  use: (block: CrossEntropy, from: number, weight: NdArray) => void,
): void {
  const V = weight.shape[0]!;
  const sparse = labels.dtype === "int32" ? rowsOf(labels, rows) : null;
  for (let from = 0; from < V; from += COLUMNS) {
    const count = Math.min(COLUMNS, V - from);
    scoped(() => {
      const w = blockOf(weight, from, count);
      const logits = broadcast(blockOf(bias, from, count), [rows.length, count]);
      matmulInto(logits, 1, hidden, false, w, true);
      const y = sparse ?? rowsOf(labels, rows, from, count);
      use({ logits, labels: y, classes: null, live: null, smoothing, zLoss }, from, w);
    });
  }
}

/** Runs `fn` in a scope that frees what it made, so that blocks do not add up. */
function scoped(fn: () => void): void {
  if (!currentScope()?.linear) return fn();
  const scope = openScope("rule", true);
  try {
    fn();
  } finally {
    closeScope(scope, "was a temporary of linearCrossEntropy");
  }
}

/** `count` neighbours along the first axis, from `from` on. A parameter from outside a step is not staged for it. */
function blockOf(x: NdArray, from: number, count: number): NdArray {
  const out = empty([count, ...x.shape.slice(1)], x.dtype);
  const width = out.storage.length / count;
  const start = offsetOf(x.storage) + from * width;
  heapOf(out.storage).set(heapOf(x.storage).subarray(start, start + count * width), offsetOf(out.storage));
  return out;
}

/** Rows of x [N] or [N, W] by number; of a row, `count` columns from `from` on. */
function rowsOf(x: NdArray, rows: Int32Array, from = 0, count: number = x.shape[1] ?? 1): NdArray {
  const out = empty(x.shape.length === 1 ? [rows.length] : [rows.length, count], x.dtype);
  const [X, T] = [heapOf(x.storage), heapOf(out.storage)];
  const [p, t, width] = [offsetOf(x.storage) + from, offsetOf(out.storage), x.shape[1] ?? 1];
  for (let r = 0; r < rows.length; r++) {
    const [start, to] = [p + rows[r]! * width, t + r * count];
    for (let j = 0; j < count; j++) T[to + j] = X[start + j]!;
  }
  return out;
}

/** The reverse: adds rows to those of `into` with their numbers. */
function addRows(into: NdArray, x: NdArray, rows: Int32Array, from = 0): void {
  const [X, T] = [heapOf(x.storage), heapOf(into.storage)];
  const [p, t, width] = [offsetOf(x.storage), offsetOf(into.storage) + from, into.shape[1] ?? 1];
  const count = x.shape[1] ?? 1;
  for (let r = 0; r < rows.length; r++) {
    const [start, to] = [p + r * count, t + rows[r]! * width];
    for (let j = 0; j < count; j++) T[to + j]! += X[start + j]!;
  }
}
