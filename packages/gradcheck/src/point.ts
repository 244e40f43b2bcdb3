import type { Tensor } from "@gradus/core";
import { CheckError, type Finding, type Place } from "./CheckError.ts";
import { copyOf, flat, placeOf, pullBack, unflat, type Many } from "./differentiable.ts";
import { roundingOf } from "./differences.ts";
import { settings } from "./settings.ts";

/** How a function is checked. */
export interface Manner {
  /** The public function that checks, for its errors. */
  readonly check: string;
  readonly order: 1 | 2;
  readonly seed: number;
  /** Numbers for directions. */
  readonly draw: () => number;
  /** Numbers for cotangents. */
  readonly weigh: () => number;
  readonly tolerance: number;
  /** As a polynomial, of which differences are exact. */
  readonly degree: 1 | 2 | undefined;
}

/** A function f at a point x, and its gradient there for a cotangent u. Elements are counted through all tensors. */
export interface Point extends Manner {
  readonly fn: Many;
  readonly inputs: readonly Tensor[];
  readonly x: Float64Array;
  readonly f: Float64Array;
  readonly outputs: readonly Tensor[];
  readonly cotangents: readonly Tensor[];
  readonly u: Float64Array;
  /** Jᵀu, by `vjp` and by `backward`. */
  readonly vjp: Float64Array;
  readonly backward: Float64Array;
  /** What rounding does to the differences of ⟨u, f⟩. */
  readonly noise: number;
}

export function pointOf(fn: Many, given: readonly Tensor[], manner: Manner): Point {
  const inputs = given.map((x) => copyOf(x, false));
  const f = flat(fn(inputs));
  const leaves = inputs.map((x) => copyOf(x, true));
  const outputs = fn(leaves);
  const cotangents = unflat(f.map(manner.weigh), outputs);
  const u = flat(cotangents);
  const size = f.reduce((sum, value, j) => (Number.isFinite(value) ? sum + Math.abs(u[j]! * value) : sum), 0);
  return {
    ...manner,
    fn,
    inputs,
    x: flat(inputs),
    f,
    outputs,
    cotangents,
    u,
    vjp: pullBack(outputs, leaves, cotangents, true),
    backward: pullBack(outputs, leaves, cotangents, false),
    noise: roundingOf(size, manner.degree ? 1 : settings.step),
  };
}

/** How far two numbers may be apart; `per` is the length of the step that they were measured with, if it is not 1. */
export function allowed({ tolerance, noise }: Point, numbers: readonly number[] = [], per = 1): number {
  return noise / per + tolerance * Math.max(1, ...numbers.map(Math.abs));
}

/** The function is asked again: the same inputs give the same values. */
export function checkPure(point: Point): void {
  const { fn, inputs, f } = point;
  const again = flat(fn(inputs));
  const output = f.findIndex((value, j) => !Object.is(value, again[j]));
  if (output < 0) return;
  const numbers = { first: f[output]!, second: again[output]! };
  const want = "a function of its inputs alone";
  fail(point, { finding: "impure", problem: "two answers to one question", want, output, numbers });
}

/** What is wrong at a point. */
export interface Fault {
  readonly finding: Finding;
  readonly problem: string;
  readonly want: string;
  /** The element, of the inputs or of the outputs. */
  readonly input?: number;
  readonly output?: number;
  readonly numbers: Readonly<Record<string, number>>;
}

export function fail({ check, inputs, outputs, order, seed }: Point, fault: Fault): never {
  let place: Place = { order };
  if (fault.input !== undefined) place = { order, ...placeOf(fault.input, inputs, "inputs") };
  if (fault.output !== undefined) place = { order, ...placeOf(fault.output, outputs, "outputs") };
  throw new CheckError(check, fault, place, fault.numbers, seed);
}
