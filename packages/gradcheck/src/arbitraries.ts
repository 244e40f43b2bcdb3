import type { Shape, Tensor } from "@gradus/core";
import * as fc from "fast-check";
import { stream } from "./random.ts";
import { tensorOf, type Sketch } from "./sketch.ts";

export interface ShapeConstraints {
  /** Default: 0. */
  readonly minRank?: number;
  /** Default: 3. */
  readonly maxRank?: number;
  /** Default: 1. */
  readonly minLength?: number;
  /** Default: 4. */
  readonly maxLength?: number;
}

/** Shapes: small, of any rank up to 3 by default. */
export function shapes(constraints: ShapeConstraints = {}): fc.Arbitrary<number[]> {
  const { minRank = 0, maxRank = 3, minLength = 1, maxLength = 4 } = constraints;
  return fc.array(fc.integer({ min: minLength, max: maxLength }), { minLength: minRank, maxLength: maxRank });
}

/** `count` shapes that broadcast to one: axes are missing in front, or 1. */
export function broadcastingShapes(count: number, constraints: ShapeConstraints = {}): fc.Arbitrary<number[][]> {
  return shapes(constraints).chain((joint) => {
    const part = fc
      .tuple(
        fc.nat({ max: joint.length }),
        fc.array(fc.boolean(), { minLength: joint.length, maxLength: joint.length }),
      )
      .map(([from, ones]) => joint.map((length, axis) => (ones[axis] ? 1 : length)).slice(from));
    return fc.array(part, { minLength: count, maxLength: count });
  });
}

/** An axis of a tensor of some rank, from either end. */
export function axisOf(rank: number): fc.Arbitrary<number> {
  return fc.integer({ min: -rank, max: rank - 1 });
}

/** Different axes of a tensor of some rank, none among them, from either end, in any order. */
export function axesOf(rank: number): fc.Arbitrary<number[]> {
  return fc
    .tuple(fc.shuffledSubarray([...Array(rank).keys()]), fc.array(fc.boolean(), { minLength: rank, maxLength: rank }))
    .map(([axes, back]) => axes.map((axis) => (back[axis] ? axis - rank : axis)));
}

/** Nested arrays of a shape, of whole numbers from 0 to below `size`. */
export function indicesOf(shape: Shape, size: number): fc.Arbitrary<NestedIndex> {
  if (shape.length === 0) return fc.integer({ min: 0, max: size - 1 });
  return fc.array(indicesOf(shape.slice(1), size), { minLength: shape[0]!, maxLength: shape[0]! });
}
export type NestedIndex = number | NestedIndex[];

/** Float64 tensors (or of the sketch's own dtype) after a sketch. */
export function tensors(sketch: Sketch): fc.Arbitrary<Tensor> {
  return fc.integer().map((seed) => tensorOf(sketch, stream(seed), "float64"));
}
