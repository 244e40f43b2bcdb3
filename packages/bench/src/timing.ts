export interface Timing {
  readonly test: string;
  readonly contender: string;
  /** Why there are no times, or null. */
  readonly problem: string | null;
  /** Milliseconds a unit; NaN where there is a problem. */
  readonly median: number;
  readonly minimum: number;
  /** By round; a contender may stop before the last one. */
  readonly rounds: readonly number[];
}

export function summary(test: string, contender: string, measured: readonly number[]): Timing {
  return {
    test,
    contender,
    problem: null,
    median: medianOf(measured),
    minimum: Math.min(...measured),
    rounds: measured,
  };
}

export function failure(test: string, contender: string, problem: string): Timing {
  return { test, contender, problem, median: NaN, minimum: NaN, rounds: [] };
}

/** NaN if there are none. */
export function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}
