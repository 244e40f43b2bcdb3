import { full, isTensor, type Tensor, type TensorLike } from "@gradus/core";
import { checkOptions } from "./checkOptions.ts";
import { reductionOf } from "./reduction.ts";
import type { AverageInsteadFlags, ComputedFlags, SumByDefaultFlags } from "./reduction.ts";
import { crossEntropyOfLogits, rowLossOf } from "./rowLoss.ts";
import { lossOf, type CommonLossOptions, type LooseLossOptions } from "./sequenceLoss.ts";

/** Sums or averages; the compiler refuses one of each, and an average whose sum keeps its default. */
export type SequenceLossClassOptions = CommonLossOptions & (SumByDefaultFlags | AverageInsteadFlags);

/**
 * Σ w·ce / #(w ≠ 0), the loss of `sequenceLoss` as an object: both sums are true by default here, both averages false.
 * Options are sequenceLoss's otherwise. Targets come first; without weights each of the B·T places has weight 1.
 * @throws ValueError for options, when it is made; what sequenceLoss throws for arguments, when it is called.
 * @source TensorFlow Addons, `tfa.seq2seq.SequenceLoss`
 * @example
 * const loss = new SequenceLoss();
 * console.log(loss.call([[0, 1]], tensor([[[2, 0], [0, 1]]]))); // => float32[] 0.22009
 */
export class SequenceLoss {
  readonly #options: LooseLossOptions;

  constructor(options?: SequenceLossClassOptions);
  /** With four flags that are computed: whether they agree is seen here, when it is made, not by the compiler. */
  constructor(options: CommonLossOptions & ComputedFlags);
  constructor(options: LooseLossOptions = {}) {
    reductionOf("SequenceLoss", checkOptions("SequenceLoss", options), "sum");
    rowLossOf("SequenceLoss", options, crossEntropyOfLogits);
    this.#options = { ...options };
  }

  /** The loss of targets [B, T] or [B, T, V] and logits [B, T, V], weighted by sampleWeight [B, T]; ones by default. */
  call(targets: TensorLike, logits: Tensor, sampleWeight: TensorLike = onesFor(logits)): Tensor {
    const op = "SequenceLoss";
    return lossOf({ op, x: logits, targets, weights: sampleWeight, options: this.#options, byDefault: "sum" });
  }
}

/** [B, T]; any number where there are no logits, which are checked first. */
const onesFor = (logits: Tensor): TensorLike =>
  isTensor(logits) ? full(logits.shape.slice(0, 2), 1, { dtype: logits.dtype }) : 1;
