import { defineFused, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { add, matmul, reshape } from "@gradus/ops";
import { checkShapes, checkSizes, sizeOf } from "./arguments.ts";
import { uniform, type RandomOptions } from "./initialise.ts";

/** A linear map: weight [out, in], and bias [out] where there is one. */
export type LinearParams = { readonly weight: Tensor; readonly bias?: Tensor };

export interface LinearOptions extends RandomOptions {
  readonly inputSize: number;
  readonly outputSize: number;
  /** Whether to add a bias. Default: true. */
  readonly bias?: boolean;
}

/**
 * Parameters of `linear`: weight [out, in] and bias [out], uniform in ±1/√in.
 * @throws ShapeError for sizes that are no whole numbers from 1.
 * @source PyTorch's `Linear`
 * @example
 * console.log(createLinear({ inputSize: 4, outputSize: 2, random: { next: () => 0 } }).bias); // => float32[2] [-0.5, -0.5]
 */
export function createLinear(options: LinearOptions & { readonly bias?: true }): {
  readonly weight: Tensor;
  readonly bias: Tensor;
};
export function createLinear(options: LinearOptions & { readonly bias: false }): { readonly weight: Tensor };
export function createLinear(options: LinearOptions): LinearParams;
export function createLinear({ inputSize, outputSize, bias = true, ...options }: LinearOptions): LinearParams {
  checkSizes("createLinear", { inputSize, outputSize });
  const high = 1 / Math.sqrt(inputSize);
  const weight = uniform([outputSize, inputSize], { ...options, low: -high, high });
  return bias ? { weight, bias: uniform([outputSize], { ...options, low: -high, high }) } : { weight };
}

/**
 * y = x·Wᵀ + b for x [..., in], weight W [out, in] and bias b [out], if there is one: [..., out].
 * @throws ShapeError for lengths that do not fit, DTypeError for mixed dtypes.
 * @source PyTorch's `linear`
 * @example
 * const params = { weight: tensor([[1, 2], [3, 4], [5, 6]]), bias: tensor([0, 0, 10]) };
 * console.log(linear(params, tensor([1, 1]))); // => float32[3] [3, 7, 21]
 */
export function linear({ weight, bias }: LinearParams, x: Tensor): Tensor {
  const last = bias && ({ bias: [bias, ["out"]] } as const);
  checkShapes("linear", { x: [x, ["...", "in"]], weight: [weight, ["out", "in"]], ...last });
  const rows = reshape(x, [sizeOf(x.shape.slice(0, -1)), weight.shape[1]!]);
  const y = bias ? linearOp({ x: rows, weight, bias }, {}) : matmul(rows, weight, { transposeB: true });
  return reshape(y, [...x.shape.slice(0, -1), weight.shape[0]!]);
}

const linearOp = /* @__PURE__ */ defineFused({
  name: "linear",
  inputs: ["x", "weight", "bias"],
  forward: ({ x, weight, bias }) => {
    const output = k.broadcast(bias, [x.shape[0]!, weight.shape[0]!]);
    k.matmulInto(output, 1, x, false, weight, true);
    return { output, saved: {} };
  },
  backward: ({ x, weight }, dy, to) => {
    if (to.x) k.matmulInto(to.x.into, to.x.beta, dy, false, weight, false);
    if (to.weight) k.matmulInto(to.weight.into, to.weight.beta, dy, true, x, false);
    if (to.bias) k.copyInto(to.bias.into, to.bias.beta, k.sum(dy, [0]));
  },
  composed: composedLinear,
});

/** The definition, for rows x [n, in]. */
export function composedLinear({ x, weight, bias }: { x: Tensor; weight: Tensor; bias: Tensor }): Tensor {
  return add(matmul(x, weight, { transposeB: true }), bias);
}
