import { createRandom, integer } from "@gradus/nn";
import type { Arrays, Values } from "./arrays.ts";
import type { Settings } from "./protocol.ts";

export interface Case {
  readonly name: string;
  readonly settings: Settings;
  readonly inputs: () => Arrays;
  /** What is right, computed in float64. */
  readonly reference: (inputs: Arrays) => Arrays | Promise<Arrays>;
  /** Largest error of a result, as a part of the largest value wanted. */
  readonly tolerance: number;
  /** What the time is divided by: time steps, ops. Default: 1. */
  readonly units?: number;
  /** Those of the workload's contenders that take part. Default: all. */
  readonly contenders?: readonly string[];
  /** Those whose results are not looked at. Default: none. */
  readonly unchecked?: readonly string[];
  /** Left out by --quick. */
  readonly slow?: boolean;
  /** MB of what cannot but be held, by name: rows of the table of peaks. */
  readonly held?: Readonly<Record<string, number>>;
}

/** A promise about times, to be seen kept or broken at the worst of its cases. */
export interface Bar {
  readonly says: string;
  /** Of times in the same round, or minima, at the case in question or at one that is named; NaN where one was not timed. */
  readonly ratio: (time: (contender: string, test?: string) => number) => number;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** Names of cases. Default: all. */
  readonly cases?: readonly string[];
}

export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  /** LIBRARY or LIBRARY/VARIANT, each a process of its own. */
  readonly contenders: readonly string[];
  /** Contenders that do only a part of the work, and are not ranked. */
  readonly unranked?: readonly string[];
  readonly cases: readonly Case[];
  readonly bars: readonly Bar[];
  /** The same about the peak of the tensors' memory, of the libraries that tell it. */
  readonly peaks?: readonly Bar[];
}

/** `ours` is at least so many times as fast as `theirs`. */
export const faster = (ours: string, theirs: string, atLeast: number, cases?: readonly string[]): Bar => ({
  says: `${theirs} takes ≥ ${atLeast} × the time of ${ours}`,
  ratio: (time) => time(theirs) / time(ours),
  atLeast,
  ...(cases ? { cases } : {}),
});

/** `ours` takes at most so many times the time of `theirs`. */
export const within = (ours: string, theirs: string, atMost: number, cases?: readonly string[]): Bar => ({
  says: `${ours} takes ≤ ${atMost} × the time of ${theirs}`,
  ratio: (time) => time(ours) / time(theirs),
  atMost,
  ...(cases ? { cases } : {}),
});

/** `ours` holds at most so many times as much as `theirs`. */
export const holds = (ours: string, theirs: string, atMost: number): Bar => ({
  says: `${ours} holds ≤ ${atMost} × as much as ${theirs}`,
  ratio: (peak) => peak(ours) / peak(theirs),
  atMost,
});

export function uniform(shape: readonly number[], low: number, high: number, seed: number): Values {
  const random = createRandom(seed);
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random.next()) };
}

export function integers(shape: readonly number[], below: number, seed: number): Values {
  const random = createRandom(seed);
  return { shape, data: Int32Array.from({ length: sizeOf(shape) }, () => integer(random, below)) };
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
