import { asTensor, defineFused, GradError, ShapeError } from "@gradus/core";
import type { Op, Tensor, TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats, checkOptions } from "./arguments.ts";
import { notEqual } from "./compare.ts";
import { ratesOf, targetsOf, type CrossEntropyOptions } from "./crossEntropy.ts";
import { mulNoNan } from "./mul.ts";
import { expandDims } from "./reshape.ts";
import { softmaxCrossEntropy } from "./softmaxCrossEntropy.ts";
import { sum } from "./sum.ts";

/**
 * Σ w·ce over the rows of logits x [..., V]: `softmaxCrossEntropy` of each row, with labels [...], int32, or distributions
 * [..., V], times its weight [...], in one pass. With p = softmax(x), dx = dy·w·(p·Σ y − y); it is computed along with the
 * value, where a gradient may be asked for, and takes as much memory as x. A row of weight 0 is not read, whatever its label.
 *
 * Weights and labels are constants: a loss with gradients for them is a sum over `softmaxCrossEntropy`. Smoothing and z-loss
 * are as there.
 * @throws ShapeError for logits without classes, or labels or weights of another shape; DTypeError for logits that are no
 * floats, or weights or distributions of another dtype; GradError for weights or labels that need a gradient; IndexError for a
 * label out of range; ValueError for labelSmoothing outside [0, 1), or a zLoss below 0 or not finite.
 * @source Liger Kernel, Hsu et al. 2024, on the gradient of a cross-entropy in its forward pass
 * @example
 * const logits = tensor([[2, 0], [0, 1], [NaN, 0]]);
 * console.log(softmaxCrossEntropySum(logits, [0, 1, -1], [1, 0.5, 0])); // => float32[] 0.28356
 */
export function softmaxCrossEntropySum(
  logits: Tensor,
  labels: TensorLike,
  weights: TensorLike,
  options: CrossEntropyOptions = {},
): Tensor {
  const op = "softmaxCrossEntropySum";
  checkFloats(op, { logits });
  checkOptions(op, options);
  if ((logits.shape.at(-1) ?? 0) === 0) {
    throw new ShapeError(op, "no classes", { logits }, "[..., V] with V of 1 or more");
  }
  const rates = ratesOf(op, options);
  const w = weightsOf(op, logits, weights);
  const targets = targetsOf(op, { logits }, logits.shape, { labels, live: w, classes: null });
  checkConstant(op, { weights: w, labels: targets });
  return sumOp({ logits, labels: targets, weights: w }, rates);
}

type Rates = Required<CrossEntropyOptions>;

const sumOp: Op<"logits" | "labels" | "weights", Rates> = /* @__PURE__ */ defineFused({
  name: "softmaxCrossEntropySum",
  inputs: ["logits"],
  indices: ["labels", "weights"],
  becomes: { logits: "slope" },
  forward: ({ logits, labels, weights }, { labelSmoothing, zLoss }: Rates, needsGradient) => {
    const rows = { logits, labels, smoothing: labelSmoothing, zLoss };
    const { sum, slope } = k.crossEntropySum(rows, weights, needsGradient);
    return { output: sum, saved: { slope: slope ?? sum } };
  },
  backward: ({ slope }, dy, { logits: to }) => {
    if (to) k.scaleInto(to.into, to.beta, slope, k.copyOut(dy.storage)[0]!);
  },
  composed: ({ logits, labels, weights }, rates) => {
    const mask = expandDims(notEqual(weights, 0), { axis: -1 });
    return sum(mulNoNan(softmaxCrossEntropy(logits, labels, { ...rates, mask }), weights));
  },
});

function weightsOf(op: string, logits: Tensor, weights: TensorLike): Tensor {
  const w = asTensor(op, "weights", weights, logits.dtype);
  const shape = logits.shape.slice(0, -1);
  if (k.sameShape(w.shape, shape)) return w;
  throw new ShapeError(op, "weights do not fit logits", { weights: w, logits }, `[${shape.join(",")}]`);
}

function checkConstant(op: string, tensors: Readonly<Record<string, Tensor>>): void {
  for (const name in tensors) {
    if (!tensors[name]!.requiresGrad) continue;
    const want = "a constant, or a sum over softmaxCrossEntropy";
    throw new GradError(op, `${name} that need a gradient`, { [name]: tensors[name] }, want);
  }
}
