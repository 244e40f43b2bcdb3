import type { Tensor, TensorLike } from "@gradus/core";
import { take } from "@gradus/ops";
import { checkShapes, checkSizes } from "./arguments.ts";
import { uniform, type RandomOptions } from "./initialise.ts";

/** A table of vectors: weight [V, E]. */
export type EmbeddingParams = { readonly weight: Tensor };

export interface EmbeddingOptions extends RandomOptions {
  /** Number of vectors. */
  readonly size: number;
  /** Their length. */
  readonly width: number;
}

/**
 * Parameters of `embedding`: weight [V, E], uniform in ±√3, which has mean 0 and variance 1 as PyTorch's normal start.
 * @throws ShapeError for sizes that are no whole numbers from 1.
 * @example
 * console.log(createEmbedding({ size: 1, width: 2, random: { next: () => 0 } }).weight); // => float32[1,2] [[-1.7321, -1.7321]]
 */
export function createEmbedding({ size, width, ...options }: EmbeddingOptions): EmbeddingParams {
  checkSizes("createEmbedding", { size, width });
  const high = Math.sqrt(3);
  return { weight: uniform([size, width], { ...options, low: -high, high }) };
}

/**
 * The vector of each id: y[…] = weight[ids[…]], for ids [...] and weight [V, E]: [..., E].
 * @throws IndexError for an id outside 0 to V − 1, with its place.
 * @source PyTorch's `embedding`
 * @example
 * console.log(embedding({ weight: tensor([[1, 2], [3, 4]]) }, [1, 0])); // => float32[2,2] [[3, 4], [1, 2]]
 */
export function embedding({ weight }: EmbeddingParams, ids: TensorLike): Tensor {
  checkShapes("embedding", { weight: [weight, ["V", "E"]] });
  return take(weight, ids);
}
