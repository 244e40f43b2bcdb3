import { grad, tensor, type Shape, type Tensor } from "@gradus/core";
import type { Place } from "./CheckError.ts";

/** A function as the checks see it: tensors in, tensors out. */
export type Many = (xs: readonly Tensor[]) => readonly Tensor[];

/** The same values as a leaf or as a constant. */
export function copyOf(x: Tensor, requiresGrad: boolean): Tensor {
  return tensor(x.data, { shape: x.shape, dtype: x.dtype, requiresGrad, name: x.name });
}

/** All elements, one tensor after the other. */
export function flat(tensors: readonly Tensor[]): Float64Array {
  const all = new Float64Array(tensors.reduce((size, x) => size + x.size, 0));
  let at = 0;
  for (const x of tensors) {
    all.set(x.data, at);
    at += x.size;
  }
  return all;
}

/** Constants of the shapes and dtypes of `like`, from all their elements. */
export function unflat(all: Float64Array, like: readonly Tensor[]): Tensor[] {
  let at = 0;
  return like.map(({ size, shape, dtype }) => tensor(all.subarray(at, (at += size)), { shape, dtype }));
}

/** Σ over the outputs of ⟨cotangent, ∂output/∂leaf⟩, for all elements of the leaves. */
export function pullBack(
  outputs: readonly Tensor[],
  leaves: readonly Tensor[],
  cotangents: readonly Tensor[],
  createGraph: boolean,
): Float64Array {
  let total = flat(leaves).fill(0);
  outputs.forEach((output, j) => {
    if (!output.requiresGrad) return; // it depends on nothing
    const gradients = flat(grad(output, leaves, { cotangent: cotangents[j]!, createGraph, unreached: "zero" }));
    total = total.map((value, i) => value + gradients[i]!);
  });
  return total;
}

/** The gradient of a function of one output, as a function of its inputs and of the cotangent. */
export function gradientOf(fn: Many): Many {
  return (all) => {
    const [xs, cotangent] = [all.slice(0, -1), all.at(-1)!];
    const createGraph = all.some((x) => x.requiresGrad);
    const leaves = createGraph ? xs : xs.map((x) => copyOf(x, true));
    const output = fn(leaves)[0]!;
    if (!output.requiresGrad) return unflat(flat(xs).fill(0), xs);
    return grad(output, leaves, { cotangent, createGraph, unreached: "zero" });
  };
}

/** Which tensor, and where in it, the i-th of all elements is. */
export function placeOf(i: number, tensors: readonly Tensor[], label: string): Place {
  let at = 0;
  while (i >= tensors[at]!.size) i -= tensors[at++]!.size;
  const { name, shape } = tensors[at]!;
  return { of: `${label}[${at}]${name && ` "${name}"`}`, index: indexOf(i, shape) };
}

function indexOf(i: number, shape: Shape): number[] {
  const index: number[] = [];
  for (const length of [...shape].reverse()) {
    index.unshift(i % length);
    i = Math.floor(i / length);
  }
  return index;
}
