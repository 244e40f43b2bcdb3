import { add, DTypeError, isTensor, ShapeError, ValueError, type Tensor } from "@gradus/core";
import { expandDims, gather, logSoftmax, logSumExp, mul, mulNoNan, neg, squeeze, sum } from "@gradus/ops";

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

/** The loss of rows that the options ask for, checked. */
export function rowLossOf(op: string, options: RowLossOptions): SoftmaxLossFunction {
  const { softmaxLossFunction, labelSmoothing = 0, zLoss = 0 } = options;
  if (softmaxLossFunction !== undefined && typeof softmaxLossFunction !== "function") {
    throw new ValueError(op, "not a function", { softmaxLossFunction }, "({ labels, logits }) => Tensor");
  }
  checkNumber(op, { labelSmoothing }, (x) => x >= 0 && x < 1, "a number from 0 to below 1");
  checkNumber(op, { zLoss }, (x) => x >= 0 && x < Infinity, "a finite number from 0");
  if (softmaxLossFunction === undefined) return (rows) => crossEntropy(rows, labelSmoothing, zLoss);
  for (const [name, value] of Object.entries({ labelSmoothing, zLoss })) {
    if (value === 0) continue;
    const problem = `${name} beside a loss function of one's own, which cannot heed it`;
    throw new ValueError(op, problem, { [name]: value, softmaxLossFunction }, "one of them");
  }
  return (rows) => checkResult(op, rows, softmaxLossFunction(rows));
}

function checkNumber(op: string, option: { [name: string]: number }, fits: (x: number) => boolean, want: string): void {
  const [name, value] = Object.entries(option)[0]!;
  if (typeof value === "number" && fits(value)) return;
  throw new ValueError(op, `no such ${name}`, option, want);
}

/** −Σ y'·log softmax(logits) + zLoss·(log Σ exp logits)², where y' is y smoothed. What is 0 is left out, bits and all. */
function crossEntropy({ labels, logits }: Rows, labelSmoothing: number, zLoss: number): Tensor {
  const logp = logSoftmax(logits);
  let loss = neg(atLabels(logp, labels));
  if (labelSmoothing > 0) {
    const spread = mul(sum(logp, { axis: 1 }), -labelSmoothing / logits.shape[1]!);
    loss = add(mul(loss, 1 - labelSmoothing), spread);
  }
  if (zLoss > 0) {
    const z = logSumExp(logits, { axis: 1 });
    loss = add(loss, mul(mul(z, z), zLoss));
  }
  return loss;
}

/** logp at the label; the sum of it over a distribution. */
function atLabels(logp: Tensor, labels: Tensor): Tensor {
  if (labels.shape.length === 2) return sum(mulNoNan(logp, labels), { axis: 1 }); // 0·(−∞) is 0
  return squeeze(gather(logp, expandDims(labels, { axis: 1 })), { axis: 1 });
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
