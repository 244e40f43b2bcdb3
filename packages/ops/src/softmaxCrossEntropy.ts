import { add, defineFused, ShapeError } from "@gradus/core";
import type { Op, Tensor, TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { any } from "./any.ts";
import { checkFloats, checkOptions } from "./arguments.ts";
import { cast } from "./cast.ts";
import { ratesOf, targetsOf, type CrossEntropyOptions, type Targets } from "./crossEntropy.ts";
import { div } from "./div.ts";
import { gather } from "./gather.ts";
import { logSoftmax } from "./logSoftmax.ts";
import { logSumExp } from "./logSumExp.ts";
import { conditionOf, maskOf } from "./masks.ts";
import { mul, mulNoNan } from "./mul.ts";
import { neg } from "./neg.ts";
import { expandDims, squeeze } from "./reshape.ts";
import { square } from "./square.ts";
import { sub } from "./sub.ts";
import { sum } from "./sum.ts";
import { where } from "./where.ts";

export interface SoftmaxCrossEntropyOptions extends CrossEntropyOptions {
  /** What counts: true, or anything but 0. Broadcasts to the logits; [..., 1] tells which rows count. Default: all. */
  readonly mask?: TensorLike;
}

/**
 * The loss −Σ y·log softmax(x) of each row of logits x [..., V], with y given as labels [...], int32, or as distributions
 * [..., V]: [...]. With p = softmax(x), dx = dy·(p·Σ y − y), and for distributions −dy·log p. The softmax is not stored, and
 * what the mask leaves out is not read: a row of which nothing is left has loss 0, whatever its label.
 *
 * With smoothing, y is (1−ε)·y + ε/n; z-loss adds λ·z² to the loss and dy·2λ·z·p to dx, where z = log Σ exp x.
 * @throws ShapeError for logits without classes, labels of another shape, or a mask that does not broadcast; DTypeError for
 * logits that are no floats, or distributions of another dtype; IndexError for a label out of range or at a class that the
 * mask leaves out; ValueError for labelSmoothing outside [0, 1), or a zLoss below 0 or not finite.
 * @source TensorFlow's `sparse_softmax_cross_entropy_with_logits` and `softmax_cross_entropy_with_logits`; Szegedy et al.
 * 2016, Rethinking the Inception architecture (smoothing); Chowdhery et al. 2022, PaLM (z-loss)
 * @example
 * const logits = tensor([[2, 0], [0, 1], [NaN, 0]]);
 * console.log(softmaxCrossEntropy(logits, [0, 1, -1], { mask: [[1], [1], [0]] })); // => float32[3] [0.12693, 0.31326, 0]
 */
export function softmaxCrossEntropy(
  logits: Tensor,
  labels: TensorLike,
  options: SoftmaxCrossEntropyOptions = {},
): Tensor {
  const op = "softmaxCrossEntropy";
  checkFloats(op, { logits });
  checkOptions(op, options);
  if ((logits.shape.at(-1) ?? 0) === 0) {
    throw new ShapeError(op, "no classes", { logits }, "[..., V] with V of 1 or more");
  }
  const attrs = Object.assign(ratesOf(op, options), countedOf(op, logits, options.mask));
  const targets = targetsOf(op, { logits }, logits.shape, { labels, ...attrs });
  return (targets.dtype === "int32" ? sparseOp : softOp)({ logits, labels: targets }, attrs);
}

type Attributes = Pick<Targets, "live" | "classes"> & Required<CrossEntropyOptions>;

const sparseOp: Op<"logits" | "labels", Attributes> = /* @__PURE__ */ defineFused({
  name: "softmaxCrossEntropy",
  inputs: ["logits"],
  indices: ["labels"],
  forward: ({ logits, labels }, attrs: Attributes) => forward(logits, labels, attrs),
  backward: ({ logits, labels, stats }, dy, { logits: to }, attrs) => {
    if (to) k.crossEntropyGrad(to.into, to.beta, rowsOf(logits, labels, attrs), stats, dy);
  },
  composed: ({ logits, labels }, attrs) => {
    const index = expandDims(attrs.live ? where(attrs.live, labels, 0) : labels, { axis: -1 });
    return composed(logits, (logp) => squeeze(gather(logp, index), { axis: -1 }), attrs);
  },
});

const softOp: Op<"logits" | "labels", Attributes> = /* @__PURE__ */ defineFused({
  name: "softmaxCrossEntropy",
  inputs: ["logits", "labels"],
  forward: ({ logits, labels }, attrs: Attributes) => forward(logits, labels, attrs),
  backward: ({ logits, labels, stats }, dy, to, attrs) => {
    const rows = rowsOf(logits, labels, attrs);
    if (to.logits) k.crossEntropyGrad(to.logits.into, to.logits.beta, rows, stats, dy);
    if (to.labels) k.crossEntropyTargetGrad(to.labels.into, to.labels.beta, rows, stats, dy);
  },
  composed: ({ logits, labels }, attrs) => {
    const mask = placesOf(attrs);
    const y = mask ? where(mask, labels, 0) : labels;
    return composed(logits, (logp) => sum(mulNoNan(logp, y), { axis: -1 }), attrs); // 0·(−∞) is 0
  },
});

interface Forward {
  readonly output: k.NdArray;
  readonly saved: { readonly stats: k.NdArray };
}

function forward(logits: k.NdArray, labels: k.NdArray, attrs: Attributes): Forward {
  const { loss, stats } = k.crossEntropy(rowsOf(logits, labels, attrs));
  return { output: k.reshaped(loss, logits.shape.slice(0, -1)), saved: { stats } };
}

const rowsOf = (
  logits: k.NdArray,
  labels: k.NdArray,
  { live, classes, labelSmoothing, zLoss }: Attributes,
): k.CrossEntropy => ({
  logits,
  labels,
  live: live && live.array,
  classes: classes && classes.array,
  smoothing: labelSmoothing,
  zLoss,
});

/** The definition: what `at` reads of log softmax(x), negative, smoothed, and with z-loss. What is 0 is left out. */
function composed(logits: Tensor, at: (logp: Tensor) => Tensor, attrs: Attributes): Tensor {
  const { live, classes, labelSmoothing, zLoss } = attrs;
  const mask = placesOf(attrs);
  const counted = mask ? { mask } : {};
  const logp = logSoftmax(logits, counted);
  let loss = neg(at(logp));
  if (labelSmoothing > 0) {
    const total = sum(classes ? where(classes, logp, 0) : logp, { axis: -1 });
    const places = classes ? sum(cast(classes, logits.dtype), { axis: -1 }) : logits.shape.at(-1)!;
    loss = sub(mul(loss, 1 - labelSmoothing), mul(div(total, places), labelSmoothing));
  }
  if (zLoss > 0) loss = add(loss, mul(square(logSumExp(logits, { ...counted, axis: -1 })), zLoss));
  return live ? where(live, loss, 0) : loss;
}

/** What counts, of a shape that broadcasts to the logits'; null for all. */
const placesOf = ({ live, classes }: Attributes): Tensor | null => classes ?? (live && expandDims(live, { axis: -1 }));

/** A mask as the rows, and, if it tells classes apart, the classes that count. */
function countedOf(op: string, logits: Tensor, mask: TensorLike | undefined): Pick<Attributes, "live" | "classes"> {
  if (mask === undefined) return { live: null, classes: null };
  const given = conditionOf(op, "mask", mask);
  if ((given.shape.at(-1) ?? 1) !== 1) {
    const classes = maskOf(op, logits, given)!;
    return { live: any(classes, { axis: -1 }), classes };
  }
  const rows = maskOf(op, logits, given, [...logits.shape.slice(0, -1), 1])!;
  return { live: squeeze(rows, { axis: -1 }), classes: null };
}
