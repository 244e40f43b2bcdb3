export interface Timing {
  readonly test: string;
  readonly contender: string;
  /** Why there are no times, or null. */
  readonly problem: string | null;
  /** Milliseconds a unit; NaN where there is a problem. */
  readonly median: number;
  readonly minimum: number;
}

export function summary(test: string, contender: string, measured: readonly number[]): Timing {
  const sorted = [...measured].sort((a, b) => a - b);
  return { test, contender, problem: null, median: sorted[sorted.length >> 1]!, minimum: sorted[0]! };
}

export function failure(test: string, contender: string, problem: string): Timing {
  return { test, contender, problem, median: NaN, minimum: NaN };
}
