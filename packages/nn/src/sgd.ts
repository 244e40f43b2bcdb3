import { ValueError, type Tree } from "@gradus/core";
import * as k from "@gradus/kernels";
import { checkRange, matched, treeOf, zerosLike, type UpdateOptions } from "./updates.ts";

export interface SgdOptions {
  readonly learningRate: number;
  /** How much of the gradients so far an update keeps, from 0 to below 1. Default: 0. */
  readonly momentum?: number;
  /** Take the gradient's own share once more, ahead of the next update; needs momentum. Default: false. */
  readonly nesterov?: boolean;
}

/** The gradients so far, where there is momentum. It fits a checkpoint. */
export type SgdState<P extends Tree> = { readonly momentumBuffer?: P };

export interface Sgd {
  /** The state before the first update. */
  init<P extends Tree>(params: P): SgdState<P>;
  /** New parameters and state; the old ones stay as they are, unless they are donated. */
  update<P extends Tree>(
    grads: P,
    state: SgdState<P>,
    params: P,
    options?: UpdateOptions,
  ): { readonly params: P; readonly state: SgdState<P> };
}

/**
 * Gradient descent: p ← p − αg for every tensor p of a tree and its gradient g. With momentum μ: m ← μm + g, p ← p − αm;
 * with Nesterov's: p ← p − α(g + μm).
 * @throws ValueError for options out of range, Nesterov's momentum without any, a gradient that is missing or has no
 * parameter, a state of an optimizer with other options, and a tensor that stands at two places; ShapeError and DTypeError
 * for a gradient unlike its parameter.
 * @source Sutskever et al. 2013, On the importance of initialization and momentum in deep learning; as PyTorch's `SGD`
 * @example
 * const optimizer = sgd({ learningRate: 0.5, momentum: 0.5 });
 * const [params, grads] = [{ w: tensor([1, 1]) }, { w: tensor([1, -1]) }];
 * const once = optimizer.update(grads, optimizer.init(params), params);
 * const twice = optimizer.update(grads, once.state, once.params);
 * console.log(once.params.w, twice.params.w); // => float32[2] [0.5, 1.5] float32[2] [-0.25, 2.25]
 */
export function sgd({ learningRate, momentum = 0, nesterov = false }: SgdOptions): Sgd {
  checkRange("sgd", { learningRate }, Infinity);
  checkRange("sgd", { momentum }, 1);
  if (nesterov && momentum === 0) throw new ValueError("sgd", "nesterov without momentum", { momentum }, "more than 0");
  return {
    init: (params) => {
      const momentumBuffer = zerosLike("sgd.init", params);
      return momentum > 0 ? { momentumBuffer } : {};
    },
    update: (grads, state, params, options = {}) => {
      const { learningRate: size = learningRate, donate = false } = options;
      checkRange("sgd", { learningRate: size }, Infinity);
      const { momentumBuffer } = state;
      if ((momentumBuffer !== undefined) !== momentum > 0) {
        const want = momentum > 0 ? "momentumBuffer" : "a state without it";
        throw new ValueError("sgd.update", "a state made with other options", { momentum, state }, want);
      }
      const places = matched("sgd.update", params, grads, momentumBuffer ? { momentumBuffer } : {}, donate);
      const rates = { momentum, nesterov, size };
      const moved = places.map(([p, g, m]) => k.sgd([p!.array, g!.array, m ? m.array : null], rates, donate));
      return {
        params: treeOf(params, (i) => moved[i]![0]),
        state: momentumBuffer ? { momentumBuffer: treeOf(params, (i) => moved[i]![1]!) } : {},
      };
    },
  };
}
