import type { Arrays } from "./arrays.ts";
import type { Settings } from "./protocol.ts";

/** A case made ready by a contender. */
export interface Run {
  /** Does the work so many times; the milliseconds that it took in all. */
  readonly time: (times: number) => number | Promise<number>;
  /** Does the same work once more and reads the results out. */
  readonly read: () => Arrays | Promise<Arrays>;
}

export type Prepare = (inputs: Arrays, settings: Settings) => Run | Promise<Run>;

/** A library, loaded. */
export interface Contender {
  readonly version: string;
  /** How it does a workload. */
  readonly workloads: Readonly<Record<string, Prepare>>;
  /** The most bytes that its tensors have held at once. */
  readonly peak?: () => number;
}

/** Loads a library for one of its variants, or rejects with why there is none here. */
export type Load = (variant: string) => Contender | Promise<Contender>;

export function timed(times: number, work: () => unknown): number {
  const start = performance.now();
  for (let i = 0; i < times; i++) work();
  return performance.now() - start;
}

export async function timedAsync(times: number, work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < times; i++) await work();
  return performance.now() - start;
}
