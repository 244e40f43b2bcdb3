import { nameScope, tensor, type Tensor, type TensorLike } from "@gradus/core";
import { cast, divNoNan, mulNoNan, notEqual, sum } from "@gradus/ops";
import { checkOptions } from "./checkOptions.ts";
import { checkRanks, rowsOf, type LossRows } from "./lossArguments.ts";
import { reductionOf } from "./reduction.ts";
import type { AverageFlags, ComputedFlags, Reduction, ReductionFlags, SumFlags } from "./reduction.ts";
import { crossEntropyOfLogits, rowLossOf, type CrossEntropy, type RowLoss, type RowLossOptions } from "./rowLoss.ts";

/** What losses have beside their flags. */
export interface CommonLossOptions extends RowLossOptions {
  /** The scope of its nodes in a picture. Default: "sequence_loss". */
  readonly name?: string;
}

/** Averages or sums; the compiler refuses one of each, and a sum whose average keeps its default. */
export type SequenceLossOptions = CommonLossOptions & (AverageFlags | SumFlags);

/** The sums that a loss was made of. */
export interface SequenceLossStats {
  /** What `sequenceLoss` gives. */
  readonly loss: Tensor;
  /** Σ w·ce over the axes that the loss is reduced over; of its shape, as the next two are. */
  readonly numerator: Tensor;
  /** Σ w there. */
  readonly totalWeight: Tensor;
  /** #(w ≠ 0) there, a constant. */
  readonly count: Tensor;
  /** w·ce [B, T] */
  readonly terms: Tensor;
}

/**
 * The loss with four computed flags; those that contradict each other are refused when it is called.
 * @throws ValueError for flags that average and sum the same axis, or that average one axis and sum the other.
 * @example
 * const ways = [true, false].map((average) => ({
 *   averageAcrossTimesteps: average,
 *   averageAcrossBatch: average,
 *   sumOverTimesteps: !average,
 *   sumOverBatch: !average,
 * }));
 * const losses = ways.map((flags) => sequenceLoss(tensor([[[2, 0], [0, 0]]]), [[0, 1]], [[3, 1]], flags));
 * console.log(losses.map(String)); // => [ 'float32[] 0.26848', 'float32[] 0.53697' ]
 */
export function sequenceLoss<
  AverageT extends boolean,
  AverageB extends boolean,
  SumT extends boolean,
  SumB extends boolean,
>(
  logits: Tensor,
  targets: TensorLike,
  weights: TensorLike,
  options: CommonLossOptions & ComputedFlags<AverageT, AverageB, SumT, SumB>,
): Tensor;
/**
 * Σ w·ce over the reduced axes, divided by Σ w there (average) or by #(w ≠ 0) there (sum); 0 where that is 0.
 *
 * ce is the cross-entropy of logits [B, T, V], float, with targets [B, T], int32, or [B, T, V], distributions; w are the
 * weights [B, T], float or bool. Both averages (the default) and both sums give a scalar, a flag of the batch alone [T],
 * one of the timesteps alone [B], none of them the terms w·ce [B, T]. Targets and weights may be nested arrays, or typed
 * arrays of B·T values.
 *
 * With u the cotangent and p = softmax(logits), dlogits is u·w·(p − onehot) over the divisor, dw is u·ce over it for sums
 * and u·(ce − loss) over it for averages; the count is a constant. A row is read if its weight is not 0, or if weights
 * need a gradient and the row is readable (finite logits, label in range). Whatever else a row holds, NaN, ±∞ or label
 * −100, changes nothing, and its gradients are 0.
 *
 * With `labelSmoothing` ε and `zLoss` λ, ce is −Σ y'·log p + λ·z², where y' = (1−ε)·y + ε/V, y is the target or its onehot,
 * and z = log Σ exp logits; dlogits is u·w·(p·Σy' − y' + 2λ·z·p) over the divisor. Both are 0 by default.
 * @throws In this order: ShapeError for the rank of logits, targets, weights; ValueError for flags that are not boolean,
 * that average and sum the same axis, or that average one axis and sum the other; ValueError for labelSmoothing outside
 * [0, 1), zLoss below 0 or not finite, or either of them beside a softmaxLossFunction, which could not heed them;
 * ShapeError for shapes that do not agree; DTypeError; IndexError for a label out of range.
 * @source TensorFlow 1.14, `tf.contrib.seq2seq.sequence_loss`; TensorFlow Addons, `tfa.seq2seq.sequence_loss`;
 * Szegedy et al. 2016, Rethinking the Inception architecture (smoothing); Chowdhery et al. 2022, PaLM (z-loss)
 * @example
 * const logits = tensor([[[2, 0], [0, 1], [NaN, 0]]]);
 * console.log(sequenceLoss(logits, [[0, 1, -100]], [[1, 1, 0]])); // => float32[] 0.22009
 * const options = { labelSmoothing: 0.1, zLoss: 0.01 };
 * console.log(sequenceLoss(logits, [[0, 1, -100]], [[1, 1, 0]], options)); // => float32[] 0.32634
 */
export function sequenceLoss(
  logits: Tensor,
  targets: TensorLike,
  weights: TensorLike,
  options?: SequenceLossOptions,
): Tensor;
export function sequenceLoss(
  logits: Tensor,
  targets: TensorLike,
  weights: TensorLike,
  options: LooseLossOptions = {},
): Tensor {
  const op = "sequenceLoss";
  return lossOf({ op, x: logits, targets, weights, options, byDefault: "average" });
}

/** The sums that a loss with four computed flags was made of; see `sequenceLoss`. */
export function sequenceLossStats<
  AverageT extends boolean,
  AverageB extends boolean,
  SumT extends boolean,
  SumB extends boolean,
>(
  logits: Tensor,
  targets: TensorLike,
  weights: TensorLike,
  options: CommonLossOptions & ComputedFlags<AverageT, AverageB, SumT, SumB>,
): SequenceLossStats;
/**
 * loss = numerator/divisor, with numerator = Σ w·ce and divisor Σ w (average) or #(w ≠ 0) (sum), each of them returned;
 * the terms w·ce [B, T] too. Arguments, options and errors are those of `sequenceLoss`, shapes those of its loss. Without
 * a reduction nothing is added up or divided: numerator and loss are the terms, totalWeight w and count 1 where w ≠ 0.
 *
 * A batch in parts has the loss Σ numerator / Σ divisor over the parts, and the gradient Σ dnumerator / Σ divisor where the
 * weights are constants; the mean of the parts' losses is neither. A row that is not read has weight 0 in all of them.
 * @source Ott, Edunov, Grangier & Auli 2018, Scaling Neural Machine Translation, on accumulated gradients
 * @example
 * const batches = [
 *   { logits: tensor([[[2, 0], [0, 1]]]), targets: [[0, 1]], weights: [[1, 1]] },
 *   { logits: tensor([[[0, 3], [0, 0]]]), targets: [[0, 0]], weights: [[1, 0]] },
 * ];
 * const parts = batches.map(({ logits, targets, weights }) => sequenceLossStats(logits, targets, weights));
 * const total = (part: "numerator" | "totalWeight") => parts.reduce((sum, stats) => sum + stats[part].item(), 0);
 * const perplexity = Math.exp(total("numerator") / total("totalWeight"));
 * console.log(perplexity.toFixed(4)); // => 3.1993
 */
export function sequenceLossStats(
  logits: Tensor,
  targets: TensorLike,
  weights: TensorLike,
  options?: SequenceLossOptions,
): SequenceLossStats;
export function sequenceLossStats(
  logits: Tensor,
  targets: TensorLike,
  weights: TensorLike,
  options: LooseLossOptions = {},
): SequenceLossStats {
  const call = { op: "sequenceLossStats", x: logits, targets, weights, options, byDefault: "average" } as const;
  return withRows(call, (found) => {
    const { terms, numerator, divisors } = partsOf(found);
    const [totalWeight, count] = [divisors.weights(), divisors.count()];
    const loss = quotient(numerator, { weights: totalWeight, count, none: null }[found.divisor]);
    return { loss, numerator, totalWeight, count, terms };
  });
}

/** Options with any flags; whether they agree is for `reductionOf` to say. */
export type LooseLossOptions = CommonLossOptions & ReductionFlags;

/** A loss as it was called. */
export interface LossCall {
  readonly op: string;
  /** Logits [B, T, V], or hidden states [B, T, H] and their way to a cross-entropy. */
  readonly x: Tensor;
  readonly linear?: Linear;
  readonly targets: TensorLike;
  readonly weights: TensorLike;
  readonly options: LooseLossOptions;
  readonly byDefault: "average" | "sum";
}

/** What stands in the place of logits. */
export interface Linear {
  /** The number of classes V, once all that is multiplied is checked. */
  readonly classes: (op: string, hidden: Tensor) => number;
  readonly crossEntropy: CrossEntropy;
}

/** The loss, and of its parts only what it needs. */
export const lossOf = (call: LossCall): Tensor =>
  withRows(call, (found) => {
    const scalar = inOnePass(found);
    if (scalar) return scalar;
    const { numerator, divisors } = partsOf(found);
    return quotient(numerator, divisors[found.divisor]());
  });

/** What a call asks for, checked. */
interface Found {
  readonly rows: LossRows;
  readonly rowLoss: RowLoss;
  readonly axis: Reduction["axis"];
  readonly divisor: Reduction["divisor"];
}

/** The one way into all losses: the checks, in their order, and then `finish` under the name of the loss. */
function withRows<R>(call: LossCall, finish: (found: Found) => R): R {
  const { op, x, targets, weights, options, byDefault, linear } = call;
  const given = checkRanks(op, linear ? "hidden" : "logits", x, targets, weights);
  checkOptions(op, options);
  const reduction = reductionOf(op, options, byDefault);
  const rowLoss = rowLossOf(op, options, linear?.crossEntropy ?? crossEntropyOfLogits);
  const V = linear ? linear.classes(op, given.x) : given.x.shape[2]!;
  return nameScope(options.name ?? "sequence_loss", () =>
    finish({ rows: rowsOf(op, given, V), rowLoss, ...reduction }),
  );
}

/** A scalar loss as Σ (w/divisor)·ce: one node, which can make the gradient along with the value. Null where it is none. */
function inOnePass({ rows, rowLoss, axis, divisor }: Found): Tensor | null {
  const { weights, labels, values: shares } = rows;
  if (!rowLoss.sum || axis.length < 2 || weights.requiresGrad || labels.requiresGrad) return null;
  let total = 0;
  for (let i = 0; i < shares.length; i++) total += divisor === "weights" ? shares[i]! : Number(shares[i] !== 0);
  for (let i = 0; i < shares.length; i++) shares[i] = total === 0 ? 0 : shares[i]! / total;
  return rowLoss.sum(rows, tensor(shares, { shape: weights.shape, dtype: weights.dtype }));
}

interface Parts {
  readonly terms: Tensor;
  readonly numerator: Tensor;
  readonly divisors: { readonly [D in Reduction["divisor"]]: () => D extends "none" ? null : Tensor };
}

/** What every loss is made of, by definition. */
function partsOf({ rows, rowLoss, axis }: Found): Parts {
  const { weights: w, isMask } = rows;
  const ce = rowLoss.each(rows);
  const terms = isMask && rowLoss.skips ? ce : mulNoNan(ce, w); // 0 already where w is
  const total = (x: Tensor): Tensor => (axis.length === 0 ? x : sum(x, { axis }));
  const divisors = {
    weights: () => total(w),
    count: () => total(cast(notEqual(w, 0), w.dtype)),
    none: () => null,
  };
  return { terms, numerator: total(terms), divisors };
}

const quotient = (numerator: Tensor, divisor: Tensor | null): Tensor =>
  divisor ? divNoNan(numerator, divisor) : numerator;
