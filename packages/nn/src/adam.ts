import { tensor, type Tensor, type Tree } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkRange, matched, treeOf, zerosLike, type UpdateOptions } from "./updates.ts";

export interface AdamOptions {
  readonly learningRate: number;
  /** Default: 0.9. */
  readonly beta1?: number;
  /** Default: 0.999. */
  readonly beta2?: number;
  /** Default: 1e-8. */
  readonly epsilon?: number;
}

/** Running averages of the gradients and of their squares, and β₁ᵗ and β₂ᵗ, float64 scalars. All of it fits a checkpoint. */
export type AdamState<P extends Tree> = {
  readonly expAvg: P;
  readonly expAvgSq: P;
  readonly beta1Power: Tensor;
  readonly beta2Power: Tensor;
};

export interface Adam {
  /** The state before the first update. */
  init<P extends Tree>(params: P): AdamState<P>;
  /** New parameters and state; the old ones stay as they are, unless they are donated. */
  update<P extends Tree>(
    grads: P,
    state: AdamState<P>,
    params: P,
    options?: UpdateOptions,
  ): { readonly params: P; readonly state: AdamState<P> };
}

/**
 * m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − α·m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ), for every tensor
 * p of a tree and its gradient g.
 * @throws ValueError for options out of range, for a gradient that is missing or has no parameter, and for a tensor that
 * stands at two places; ShapeError and DTypeError for a gradient unlike its parameter.
 * @source Kingma & Ba 2015, Adam; as PyTorch's `Adam`
 * @example
 * const optimizer = adam({ learningRate: 0.1 });
 * const params = { w: tensor([1, 1]) };
 * const next = optimizer.update({ w: tensor([5, -5]) }, optimizer.init(params), params);
 * console.log(next.params.w); // => float32[2] [0.9, 1.1]
 * console.log(params.w); // => float32[2] [1, 1]
 */
export function adam({ learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions): Adam {
  checkRange("adam", { learningRate, epsilon }, Infinity);
  checkRange("adam", { beta1, beta2 }, 1);
  return {
    init: (params) => {
      const zeros = (): typeof params => zerosLike("adam.init", params);
      return { expAvg: zeros(), expAvgSq: zeros(), ...powers(1, 1) };
    },
    update: (grads, state, params, options = {}) => {
      const { learningRate: rate = learningRate, donate = false } = options;
      checkRange("adam", { learningRate: rate }, Infinity);
      const [beta1Power, beta2Power] = [state.beta1Power.item() * beta1, state.beta2Power.item() * beta2];
      const root = Math.sqrt(1 - beta2Power); // √v̂ = √v/root: both it and 1 − β₁ᵗ go into numbers
      const rates = {
        rateM: 1 - beta1,
        rateV: 1 - beta2,
        size: (rate * root) / (1 - beta1Power),
        floor: epsilon * root,
      };
      const { expAvg, expAvgSq } = state;
      const places = matched("adam.update", params, grads, { expAvg, expAvgSq }, donate);
      const moved = places.map(([p, g, m, v]) => k.adam([p!.array, g!.array, m!.array, v!.array], rates, donate));
      const tree = (which: 0 | 1 | 2): typeof params => treeOf(params, (i) => moved[i]![which]);
      return {
        params: tree(0),
        state: { expAvg: tree(1), expAvgSq: tree(2), ...powers(beta1Power, beta2Power) },
      };
    },
  };
}

const powers = (beta1Power: number, beta2Power: number): Pick<AdamState<Tensor>, "beta1Power" | "beta2Power"> => ({
  beta1Power: tensor(beta1Power, { dtype: "float64" }),
  beta2Power: tensor(beta2Power, { dtype: "float64" }),
});
