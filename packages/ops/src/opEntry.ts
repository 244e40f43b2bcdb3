import type { DType, GradusError, Nested, Random, Shape, Tensor, TypedArray } from "@gradus/core";

/** Where the values of a tensor lie. Ints and bools are small whatever the domain. */
export type Domain =
  /** Between −2 and 2. */
  | "any"
  /** Between ½ and 2. */
  | "positive"
  /** Between ½ and 2, or their negatives. */
  | "nonzero"
  /** Apart from each other, so that the largest stays the largest under a small step. */
  | "distinct"
  /** Whole numbers from −4 to 4: equal ones among them, and exact in float32. */
  | "whole";

/** A tensor, in a table: what matters about it. */
export interface Sketch {
  readonly shape: Shape;
  /** Default: the float under test. */
  readonly dtype?: DType;
  /** Default: "any". */
  readonly domain?: Domain;
}

/** A stream of random numbers, in a table; each call of the op starts it anew. */
export interface SketchedRandom {
  readonly seed: number;
}

/** A type with sketches in place of tensors and streams, at any depth. */
export type Sketched<T> = T extends Tensor
  ? Sketch
  : T extends Random
    ? SketchedRandom
    : T extends Nested | TypedArray
      ? T
      : T extends object
        ? { readonly [K in keyof T]: Sketched<T[K]> }
        : T;

/** A call that is refused, with what. */
export interface Refusal<F extends (...args: never) => unknown> {
  readonly args: Sketched<Parameters<F>>;
  readonly error: new (...args: never) => GradusError;
  /** The whole message. */
  readonly message: string;
}

type NonEmpty<T> = readonly [T, ...T[]];

/** All that the tests and the reference page need to know about an op. */
export interface OpEntry<F extends (...args: never) => unknown> {
  /** Argument lists that it takes. Sizes are unequal: equal ones hide a wrong axis. */
  readonly samples: NonEmpty<Sketched<Parameters<F>>>;
  /** Argument lists that it refuses. */
  readonly errors: NonEmpty<Refusal<F>>;
  /** As a polynomial of all its floats together, where at most 2: differences are then exact. */
  readonly degree?: 1 | 2;
  /** Why it has no gradient, where it has none. */
  readonly noGradient?: string;
}
