import { add, DTypeError, ShapeError, ValueError, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats, checkOptions } from "./arguments.ts";
import { div } from "./div.ts";
import { mean } from "./mean.ts";
import { mul } from "./mul.ts";
import { reductionOf } from "./reduction.ts";
import { reshape } from "./reshape.ts";
import { sqrt } from "./sqrt.ts";
import { sub } from "./sub.ts";
import { variance } from "./variance.ts";

export interface RmsNormOptions {
  /** What to multiply with in the end, of the lengths of the axes. Default: 1. */
  readonly gamma?: Tensor;
  /** The axes to normalise over. Default: the last. */
  readonly axis?: number | readonly number[];
  /** What is added under the root. Default: 1e-5. */
  readonly epsilon?: number;
}

export interface LayerNormOptions extends RmsNormOptions {
  /** What to add in the end, of the lengths of the axes. Default: 0. */
  readonly beta?: Tensor;
}

/**
 * y = γ·(x − mean)/√(variance + ε) + β over the axes given, the variance without correction. With x̂ the fraction and
 * g = γ·dy: dx = (g − mean g − x̂·mean(g·x̂))/√(variance + ε), dγ = Σ dy·x̂, dβ = Σ dy.
 * @throws DTypeError for all but floats, or mixed ones; ShapeError for a gamma or beta of other lengths than the axes,
 * IndexError for an axis that is not there or stands twice, ValueError for an epsilon below 0.
 * @source Ba, Kiros & Hinton 2016, Layer normalization
 * @example
 * console.log(layerNorm(tensor([1, 3]), { epsilon: 0, gamma: tensor([2, 2]), beta: tensor([1, 0]) })); // => float32[2] [-1, 2]
 */
export function layerNorm(x: Tensor, options: LayerNormOptions = {}): Tensor {
  const { axis, epsilon, weight } = partsOf("layerNorm", x, options);
  const [scale, shift] = [weight("gamma", options.gamma), weight("beta", options.beta)];
  const over = { axis, keepDims: true };
  const y = div(sub(x, mean(x, over)), sqrt(add(variance(x, over), epsilon)));
  const scaled = scale ? mul(y, scale) : y;
  return shift ? add(scaled, shift) : scaled;
}

/**
 * y = γ·x/√(mean x² + ε) over the axes given. With r the root and g = γ·dy: dx = (g − x·mean(g·x)/r²)/r, dγ = Σ dy·x/r.
 * @throws DTypeError for all but floats, or mixed ones; ShapeError for a gamma of other lengths than the axes, IndexError
 * for an axis that is not there or stands twice, ValueError for an epsilon below 0.
 * @source Zhang & Sennrich 2019, Root mean square layer normalization
 * @example
 * console.log(rmsNorm(tensor([1, 7]), { epsilon: 0 })); // => float32[2] [0.2, 1.4]
 */
export function rmsNorm(x: Tensor, options: RmsNormOptions = {}): Tensor {
  const { axis, epsilon, weight } = partsOf("rmsNorm", x, options);
  const scale = weight("gamma", options.gamma);
  const y = div(x, sqrt(add(mean(mul(x, x), { axis, keepDims: true }), epsilon)));
  return scale ? mul(y, scale) : y;
}

interface Parts {
  readonly axis: readonly number[];
  readonly epsilon: number;
  /** A weight with 1s for the axes that it does not have. */
  readonly weight: (name: string, value: Tensor | undefined) => Tensor | null;
}

function partsOf(op: string, x: Tensor, options: RmsNormOptions): Parts {
  checkFloats(op, { x });
  checkOptions(op, options);
  const { axis = -1, epsilon = 1e-5 } = options;
  const { axes } = reductionOf(op, x, { axis });
  if (!Number.isFinite(epsilon) || epsilon < 0)
    throw new ValueError(op, "no such epsilon", { epsilon }, "a number from 0");
  const lengths = axes.map((axis) => x.shape[axis]!);
  const shape = x.shape.map((length, i) => (axes.includes(i) ? length : 1));
  const weight = (name: string, value: Tensor | undefined): Tensor | null => {
    if (value === undefined) return null;
    checkFloats(op, { [name]: value });
    if (value.dtype !== x.dtype) throw new DTypeError(op, "mixed dtypes", { x, [name]: value }, "one dtype");
    if (k.sameShape(value.shape, lengths)) return reshape(value, shape);
    throw new ShapeError(op, `${name} does not fit x`, { [name]: value, x, axis: axes }, `[${lengths.join(",")}]`);
  };
  return { axis: axes, epsilon, weight };
}
