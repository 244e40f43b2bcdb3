import { add, defineFused, DTypeError, ShapeError, zeros } from "@gradus/core";
import type { Op, Tensor, TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats, checkOptions } from "./arguments.ts";
import { ratesOf, targetsOf, type CrossEntropyOptions } from "./crossEntropy.ts";
import { maskOf } from "./masks.ts";
import { matmul } from "./matmul.ts";
import { expandDims, squeeze } from "./reshape.ts";
import { softmaxCrossEntropy } from "./softmaxCrossEntropy.ts";
import { where } from "./where.ts";

export interface LinearCrossEntropyOptions extends CrossEntropyOptions {
  /** [V]. Default: 0. */
  readonly bias?: Tensor;
  /** The rows that count: true, or anything but 0. Broadcasts to [..., 1]. Default: all. */
  readonly mask?: TensorLike;
}

/**
 * `softmaxCrossEntropy` of the logits x = h·Wᵀ + b, for rows h [..., H], weight W [V, H] and bias b [V]: [...]. With dx its
 * pull-back, dh = dx·W, dW = dxᵀ·h, db = Σ dx over the rows.
 *
 * The logits and their gradient are never held whole: a block at a time is computed, and once more on the way back. Rows
 * that the mask leaves out are not read, and cost nothing.
 * @throws ShapeError for shapes that do not fit, no classes, or a mask that does not broadcast; DTypeError for all but
 * floats, or mixed ones; IndexError for a label out of range; ValueError for labelSmoothing outside [0, 1), or a zLoss
 * below 0 or not finite.
 * @source Wijmans et al. 2024, Cut your losses in large-vocabulary language models
 * @example
 * const weight = tensor([[1, 0], [0, 1], [1, 1]]);
 * console.log(linearCrossEntropy(tensor([[2, 0], [0, 1]]), weight, [0, 1])); // => float32[2] [0.75862, 0.86199]
 */
export function linearCrossEntropy(
  hidden: Tensor,
  weight: Tensor,
  labels: TensorLike,
  options: LinearCrossEntropyOptions = {},
): Tensor {
  const op = "linearCrossEntropy";
  checkOptions(op, options);
  const { bias, mask } = options;
  const given = { hidden, weight, ...(bias && { bias }) };
  checkFloats(op, given);
  if (Object.values(given).some(({ dtype }) => dtype !== hidden.dtype)) {
    throw new DTypeError(op, "mixed dtypes", given, "one dtype");
  }
  const [V = 0, H] = weight.shape;
  const fits = weight.shape.length === 2 && H === hidden.shape.at(-1) && (!bias || k.sameShape(bias.shape, [V]));
  if (!fits || V === 0) {
    throw new ShapeError(op, "shapes do not fit", given, "hidden [..., H], weight [V, H], bias [V], V of 1 or more");
  }
  const rows = hidden.shape.slice(0, -1);
  const live = maskOf(op, hidden, mask, [...rows, 1]);
  const attrs = { ...ratesOf(op, options), live: live && squeeze(live, { axis: -1 }) };
  const targets = targetsOf(op, { hidden }, [...rows, V], { labels, live: attrs.live, classes: null });
  const b = bias ?? zeros([V], { dtype: hidden.dtype });
  return (targets.dtype === "int32" ? sparseOp : softOp)({ hidden, weight, bias: b, labels: targets }, attrs);
}

type Inputs = "hidden" | "weight" | "bias" | "labels";
interface Attributes extends Required<CrossEntropyOptions> {
  readonly live: Tensor | null;
}

const sparseOp: Op<Inputs, Attributes> = /* @__PURE__ */ defineFused({
  name: "linearCrossEntropy",
  inputs: ["hidden", "weight", "bias"],
  indices: ["labels"],
  forward: (x, attrs: Attributes) => forward(x, attrs),
  backward: (kept, dy, to, attrs) => {
    k.linearCrossEntropyGrad({ ...to, labels: null }, rowsOf(kept, attrs), kept.stats, dy);
  },
  composed: (x, attrs) => composed(x, attrs),
});

const softOp: Op<Inputs, Attributes> = /* @__PURE__ */ defineFused({
  name: "linearCrossEntropy",
  inputs: ["hidden", "weight", "bias", "labels"],
  forward: (x, attrs: Attributes) => forward(x, attrs),
  backward: (kept, dy, to, attrs) => k.linearCrossEntropyGrad(to, rowsOf(kept, attrs), kept.stats, dy),
  composed: (x, attrs) => composed(x, attrs),
});

interface Forward {
  readonly output: k.NdArray;
  readonly saved: { readonly stats: k.NdArray };
}

function forward(x: { readonly [P in Inputs]: k.NdArray }, attrs: Attributes): Forward {
  const { loss, stats } = k.linearCrossEntropy(rowsOf(x, attrs));
  return { output: k.reshaped(loss, x.hidden.shape.slice(0, -1)), saved: { stats } };
}

function rowsOf(x: { readonly [P in Inputs]: k.NdArray }, attrs: Attributes): k.LinearCrossEntropy {
  const { live, labelSmoothing: smoothing, zLoss } = attrs;
  const [V, H] = x.weight.shape as readonly [number, number];
  const N = k.sizeOf(x.hidden.shape.slice(0, -1));
  return {
    hidden: k.reshaped(x.hidden, [N, H]),
    weight: x.weight,
    bias: x.bias,
    labels: k.reshaped(x.labels, x.labels.dtype === "int32" ? [N] : [N, V]),
    live: live && live.array,
    smoothing,
    zLoss,
  };
}

/** The definition. Rows that do not count are zeros, whatever stands in them. */
function composed(
  { hidden, weight, bias, labels }: { readonly [P in Inputs]: Tensor },
  { live, ...rates }: Attributes,
): Tensor {
  const mask = live && expandDims(live, { axis: -1 });
  const rows = mask ? where(mask, hidden, 0) : hidden;
  const logits = add(matmul(rows, weight, { transposeB: true }), bias);
  return softmaxCrossEntropy(logits, labels, mask ? { ...rates, mask } : rates);
}
