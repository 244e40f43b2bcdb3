import { defineOp, ValueError, type Shape, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkFloats } from "./arguments.ts";
import { div, divNoNan } from "./div.ts";
import { mean } from "./mean.ts";
import { mul, mulNoNan } from "./mul.ts";
import { reductionOf, type ReductionOptions } from "./reduction.ts";
import { reshape } from "./reshape.ts";
import { sub } from "./sub.ts";

export interface VarianceOptions extends ReductionOptions {
  /** What is taken from the number of elements before it divides: 1 for a sample of something larger. Default: 0. */
  readonly correction?: number;
}

interface Spread {
  readonly axes: readonly number[];
  readonly kept: Shape;
  /** n − correction. */
  readonly divisor: number;
}

/**
 * y = Σ (x − mean)² / (n − correction) over the axes given; NaN where n ≤ correction. ∂y/∂x = 2·(x − mean)/(n − correction):
 * the mean's own part vanishes, since Σ (x − mean) = 0.
 * @throws DTypeError for all but floats, IndexError for an axis that is not there or stands twice, ValueError for a
 * correction that is no number.
 * @example
 * console.log(variance(tensor([[1, 3], [2, 8]]), { axis: 1 })); // => float32[2] [1, 9]
 */
export function variance(x: Tensor, options: VarianceOptions = {}): Tensor {
  return reshape(varianceOp({ x }, spreadOf("variance", x, options)), reductionOf("variance", x, options).shape);
}
const varianceOp = /* @__PURE__ */ defineOp({
  name: "variance",
  inputs: ["x"],
  keeps: ["x"],
  forward: ({ x }, { axes, kept, divisor }: Spread) => k.reshaped(k.variance(x, axes, divisor), kept),
  vjp: ({ x }, { axes, divisor }) => ({ x: (dy) => mulNoNan(mul(centred(x, axes), 2 / divisor), dy) }),
});

/**
 * y = √variance over the axes given. ∂y/∂x = (x − mean)/((n − correction)·y), and 0 where y is 0, as all x are equal there.
 * @throws DTypeError for all but floats, IndexError for an axis that is not there or stands twice, ValueError for a
 * correction that is no number.
 * @example
 * console.log(std(tensor([[1, 3], [2, 8]]), { axis: 1 })); // => float32[2] [1, 3]
 */
export function std(x: Tensor, options: VarianceOptions = {}): Tensor {
  return reshape(stdOp({ x }, spreadOf("std", x, options)), reductionOf("std", x, options).shape);
}
const stdOp = /* @__PURE__ */ defineOp({
  name: "std",
  inputs: ["x"],
  keeps: ["x", "output"],
  forward: ({ x }, { axes, kept, divisor }: Spread) => k.reshaped(k.sqrt(k.variance(x, axes, divisor)), kept),
  vjp: ({ x, output: y }, { axes, divisor }) => ({
    x: (dy) => mulNoNan(divNoNan(div(centred(x, axes), divisor), y), dy),
  }),
});

const centred = (x: Tensor, axes: readonly number[]): Tensor => sub(x, mean(x, { axis: axes, keepDims: true }));

function spreadOf(op: string, x: Tensor, options: VarianceOptions): Spread {
  const { axes, kept } = reductionOf(op, x, options);
  const { correction = 0 } = options;
  checkFloats(op, { x });
  if (!Number.isFinite(correction)) throw new ValueError(op, "no such correction", { correction }, "a finite number");
  const rest = k.sizeOf(axes.map((axis) => x.shape[axis]!)) - correction;
  return { axes, kept, divisor: rest > 0 ? rest : NaN };
}
