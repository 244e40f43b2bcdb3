import { DTypeError, isTensor, ShapeError, ValueError, type Tensor } from "@gradus/core";
import { oneHot, reshape, softmaxCrossEntropy, softmaxCrossEntropySum, where } from "@gradus/ops";
import type { LossRows } from "./lossArguments.ts";

/** Each row's label and logits. A row that is not read arrives as zeros with class 0. */
export interface Rows {
  /** int32 [B·T], or [B·T, V] where targets are distributions. */
  readonly labels: Tensor;
  /** [B·T, V] */
  readonly logits: Tensor;
}

/** The loss [B·T] of each row. */
export type SoftmaxLossFunction = (rows: Rows) => Tensor;

export interface RowLossOptions {
  /** What stands in the place of the softmax cross-entropy. */
  readonly softmaxLossFunction?: SoftmaxLossFunction;
  /** The share ε of each target that is spread evenly over all V classes: (1−ε)·y + ε/V. Default: 0. */
  readonly labelSmoothing?: number;
  /** λ of the term λ·(log Σ exp logits)² that each row's loss has more, which draws the sum of exp to 1. Default: 0. */
  readonly zLoss?: number;
}

/** The rows of a loss that are read, and how much of them. */
export type ReadRows = Pick<LossRows, "x" | "labels" | "read">;
type Rates = Required<Omit<RowLossOptions, "softmaxLossFunction">>;

/** How rows are compared with their targets. */
export interface CrossEntropy {
  /** [B, T], 0 where a row is not read. */
  readonly each: (rows: ReadRows, rates: Rates) => Tensor;
  /** Σ weight·ce for constant weights and labels, where there is a shorter way to it. */
  readonly sum?: (rows: Omit<ReadRows, "read">, weights: Tensor, rates: Rates) => Tensor;
}

export const crossEntropyOfLogits: CrossEntropy = {
  each: ({ x, labels, read }, rates) => softmaxCrossEntropy(x, labels, { mask: read(), ...rates }),
  sum: ({ x, labels }, weights, rates) => softmaxCrossEntropySum(x, labels, weights, rates),
};

/** The same with the options heeded. */
export interface RowLoss {
  readonly each: (rows: ReadRows) => Tensor;
  /** Whether a row that is not read has a loss of 0. */
  readonly skips: boolean;
  readonly sum: ((rows: Omit<ReadRows, "read">, weights: Tensor) => Tensor) | null;
}

/** The loss of rows that the options ask for, checked. */
export function rowLossOf(op: string, options: RowLossOptions, { each, sum }: CrossEntropy): RowLoss {
  const { softmaxLossFunction, labelSmoothing = 0, zLoss = 0 } = options;
  if (softmaxLossFunction !== undefined && typeof softmaxLossFunction !== "function") {
    throw new ValueError(op, "not a function", { softmaxLossFunction }, "({ labels, logits }) => Tensor");
  }
  checkNumber(op, { labelSmoothing }, (x) => x >= 0 && x < 1, "a number from 0 to below 1");
  checkNumber(op, { zLoss }, (x) => x >= 0 && x < Infinity, "a finite number from 0");
  const rates = { labelSmoothing, zLoss };
  if (softmaxLossFunction === undefined) {
    return {
      each: (rows) => each(rows, rates),
      skips: true,
      sum: sum ? (rows, weights) => sum(rows, weights, rates) : null,
    };
  }
  for (const [name, value] of Object.entries(rates)) {
    if (value === 0) continue;
    const problem = `${name} beside a loss function of one's own, which cannot heed it`;
    throw new ValueError(op, problem, { [name]: value, softmaxLossFunction }, "one of them");
  }
  return {
    each: (rows) => {
      const given = withoutUnread(rows);
      return reshape(checkResult(op, given, softmaxLossFunction(given)), rows.x.shape.slice(0, 2));
    },
    skips: false, // it may have made anything of zeros
    sum: null,
  };
}

function checkNumber(op: string, option: { [name: string]: number }, fits: (x: number) => boolean, want: string): void {
  const [name, value] = Object.entries(option)[0]!;
  if (typeof value === "number" && fits(value)) return;
  throw new ValueError(op, `no such ${name}`, option, want);
}

/** The rows one after the other, with zeros and class 0 in the place of those that are not read. */
function withoutUnread({ x, labels, read }: ReadRows): Rows {
  const [B, T, V] = x.shape as readonly [number, number, number];
  const soft = labels.shape.length === 3;
  const first = soft ? oneHot([0], { depth: V, dtype: labels.dtype }) : 0;
  const mask = read();
  const kept = where(soft ? mask : reshape(mask, [B, T]), labels, first);
  return { labels: reshape(kept, soft ? [B * T, V] : [B * T]), logits: reshape(where(mask, x, 0), [B * T, V]) };
}

function checkResult(op: string, { logits }: Rows, result: Tensor): Tensor {
  const [N] = logits.shape;
  const want = `${logits.dtype}[${N}], one loss a row`;
  if (!isTensor(result)) {
    throw new ValueError(op, "softmaxLossFunction returned no tensor", { result }, want);
  }
  if (result.shape.length !== 1 || result.shape[0] !== N) {
    throw new ShapeError(op, "softmaxLossFunction returned another shape", { result }, want);
  }
  if (result.dtype !== logits.dtype) {
    throw new DTypeError(op, "softmaxLossFunction returned another dtype", { result }, want);
  }
  return result;
}
