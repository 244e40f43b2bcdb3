import { mapTree, noGrad, ValueError, type Shape, type Tree, type TypedArray } from "@gradus/core";
import { sumOfSquares } from "@gradus/kernels";
import { mul } from "@gradus/ops";
import { sizeOf } from "./arguments.ts";
import { leavesOf } from "./leaves.ts";

/**
 * grads·min(1, maxNorm/norm), where norm = √Σ g² over all gradients of a tree, in float64. At or below the limit the same
 * tensors come back.
 * @throws ValueError for a norm that is not finite, with the gradient at fault, and for a limit below 0 or NaN.
 * @source Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks
 * @example
 * const { grads, norm } = clipByGlobalNorm({ w: tensor([3, 4]) }, 2.5);
 * console.log(grads.w, norm); // => float32[2] [1.5, 2] 5
 */
export function clipByGlobalNorm<P extends Tree>(
  grads: P,
  maxNorm: number,
): { readonly grads: P; readonly norm: number } {
  if (!(maxNorm >= 0)) {
    throw new ValueError("clipByGlobalNorm", "no such limit", { maxNorm }, "a number from 0");
  }
  let squares = 0;
  for (const { path, x } of leavesOf("clipByGlobalNorm", grads).values()) {
    squares += sumOfSquares(x.array);
    if (!Number.isFinite(squares)) throw notFinite(path, x.shape, x.data);
  }
  const norm = Math.sqrt(squares);
  if (norm <= maxNorm) return { grads, norm };
  return { grads: noGrad(() => mapTree(grads, (x) => mul(x, maxNorm / norm))), norm };
}

function notFinite(path: string, shape: Shape, data: TypedArray): ValueError {
  const i = data.findIndex((value: number) => !Number.isFinite(value));
  const place = shape.map((length, axis) => `[${Math.floor(i / sizeOf(shape.slice(axis + 1))) % length}]`).join("");
  const got = i < 0 ? { [path]: shape } : { [path + place]: data[i] };
  return new ValueError(
    "clipByGlobalNorm",
    `the norm is not finite, by the gradient of ${path}`,
    got,
    "finite gradients",
  );
}
