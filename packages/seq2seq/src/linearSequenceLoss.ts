import { DTypeError, isTensor, ShapeError, ValueError, type Tensor, type TensorLike } from "@gradus/core";
import { linearCrossEntropy } from "@gradus/ops";
import { checkOptions } from "./checkOptions.ts";
import type { ComputedFlags } from "./reduction.ts";
import { lossOf } from "./sequenceLoss.ts";
import type { CommonLossOptions, Linear, LooseLossOptions, SequenceLossOptions } from "./sequenceLoss.ts";

/** Those of sequenceLoss but for a loss function of one's own, which needs whole logits. */
export type LinearSequenceLossOptions = SequenceLossOptions & { readonly softmaxLossFunction?: undefined };

/** The loss with four computed flags; see `sequenceLoss`. */
export function linearSequenceLoss<
  AverageT extends boolean,
  AverageB extends boolean,
  SumT extends boolean,
  SumB extends boolean,
>(
  hidden: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  targets: TensorLike,
  weights: TensorLike,
  options: CommonLossOptions & { readonly softmaxLossFunction?: undefined } & ComputedFlags<
      AverageT,
      AverageB,
      SumT,
      SumB
    >,
): Tensor;
/**
 * `sequenceLoss` of the logits hidden·weightᵀ + bias, for the last hidden states [B, T, H], weight [V, H] and bias [V] or null,
 * in less memory: logits and their gradient are computed in blocks and never held whole, and rows that are not read cost
 * nothing. The logits are computed once more on the way back.
 *
 * Values, gradients, options and errors are those of `sequenceLoss`, with gradients for hidden states, weight and bias. Where
 * weights need a gradient, a row of weight 0 is readable if its hidden states are finite and its label is in range.
 * @throws What sequenceLoss throws, in its order; ShapeError for a weight or bias that does not fit, and DTypeError for another
 * dtype than the hidden states', before other shapes; ValueError for a softmaxLossFunction.
 * @example
 * const weight = tensor([[1, 0], [0, 1], [1, 1]]); // three classes of two features
 * const hidden = tensor([[[2, 0], [0, 1], [NaN, 0]]]);
 * console.log(linearSequenceLoss(hidden, weight, null, [[0, 1, -100]], [[1, 1, 0]])); // => float32[] 0.81031
 */
export function linearSequenceLoss(
  hidden: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  targets: TensorLike,
  weights: TensorLike,
  options?: LinearSequenceLossOptions,
): Tensor;
export function linearSequenceLoss(
  hidden: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  targets: TensorLike,
  weights: TensorLike,
  options: LooseLossOptions = {},
): Tensor {
  const op = "linearSequenceLoss";
  const { softmaxLossFunction } = checkOptions(op, options);
  if (softmaxLossFunction !== undefined) {
    const problem = "a loss function of one's own, which needs whole logits";
    throw new ValueError(op, problem, { softmaxLossFunction }, "sequenceLoss of the logits");
  }
  const linear: Linear = {
    classes: (op, hidden) => classesOf(op, hidden, weight, bias),
    crossEntropy: {
      each: ({ x, labels, read }, rates) =>
        linearCrossEntropy(x, weight, labels, { ...rates, ...(bias && { bias }), mask: read() }),
    },
  };
  return lossOf({ op, x: hidden, linear, targets, weights, options, byDefault: "average" });
}

/** The number of classes V, where weight and bias fit the hidden states. */
function classesOf(op: string, hidden: Tensor, weight: Tensor, bias: Tensor | null): number {
  const got = { hidden, weight, ...(bias && { bias }) };
  for (const [name, x] of Object.entries(got)) {
    if (!isTensor(x)) throw new ValueError(op, "not a tensor", { [name]: x }, "a float tensor");
  }
  const [V = 0, H] = weight.shape;
  const fits = weight.shape.length === 2 && H === hidden.shape[2];
  if (!fits || (bias && !(bias.shape.length === 1 && bias.shape[0] === V))) {
    throw new ShapeError(op, "shapes do not fit", got, "hidden [B, T, H], weight [V, H], bias [V] or null");
  }
  if (Object.values(got).every(({ dtype }) => dtype === hidden.dtype)) return V;
  throw new DTypeError(op, "mixed dtypes", got, "one dtype");
}
