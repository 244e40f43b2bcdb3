import { ShapeError, tensor, ValueError, type Random, type Shape, type Tensor } from "@gradus/core";
import { checkShape, sizeOf } from "./arguments.ts";

/** What every initialiser takes. */
export interface RandomOptions {
  readonly random: Random;
  /** Default: "float32". */
  readonly dtype?: "float32" | "float64";
}

/**
 * A tensor of random numbers, uniform in [low, high).
 * @throws ValueError for bounds that are not finite or not in order, ShapeError for lengths that are no whole numbers.
 * @example
 * console.log(uniform([2], { random: { next: () => 0.75 }, low: -1, high: 1 })); // => float32[2] [0.5, 0.5]
 */
export function uniform(
  shape: Shape,
  { random, low, high, dtype = "float32" }: RandomOptions & { readonly low: number; readonly high: number },
): Tensor {
  if (!Number.isFinite(high - low) || low > high) {
    throw new ValueError("uniform", "no such range", { low, high }, "finite numbers, low ≤ high");
  }
  checkShape("uniform", shape);
  const size = sizeOf(shape);
  const values = dtype === "float32" ? new Float32Array(size) : new Float64Array(size);
  for (let i = 0; i < size; i++) values[i] = low + (high - low) * random.next();
  return tensor(values, { shape, dtype });
}

/**
 * A weight [out, in] of random numbers, uniform in ±√(6/(in + out)), which keeps the variance of what flows through in
 * either direction. Further axes are places of a kernel: both counts grow by their number.
 * @throws ShapeError for fewer than two axes.
 * @source Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks
 * @example
 * console.log(glorotUniform([2, 4], { random: { next: () => 0 } })); // => float32[2,4] [[-1, -1, -1, -1], [-1, -1, -1, -1]]
 */
export function glorotUniform(shape: Shape, options: RandomOptions): Tensor {
  checkShape("glorotUniform", shape);
  if (shape.length < 2) {
    throw new ShapeError("glorotUniform", "not a weight", { shape }, "[out, in], or more axes");
  }
  const [out, into] = shape as readonly [number, number];
  const places = sizeOf(shape.slice(2));
  const high = Math.sqrt(6 / ((into + out) * places));
  return uniform(shape, { ...options, low: -high, high });
}
