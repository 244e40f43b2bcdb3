/** How long to measure. */
export interface Effort {
  readonly quick: boolean;
  /** Whether it is too late to begin anything. */
  readonly late: () => boolean;
  /** Seconds that a contender may take for an answer. */
  readonly patience: number;
  readonly rounds: number;
  /** Milliseconds: in which warming up has made nothing faster, of a round at least, and after which a contender stops. */
  readonly warmUp: number;
  readonly round: number;
  readonly enough: number;
}

export const thorough: Effort = {
  quick: false,
  late: () => false,
  patience: 40,
  rounds: 15,
  warmUp: 500,
  round: 100,
  enough: 4000,
};

const BUDGET = 90_000; // and what has begun by then ends within 2 minutes

export const brief: Effort = {
  quick: true,
  late: () => performance.now() > BUDGET,
  patience: 5,
  rounds: 3,
  warmUp: 60,
  round: 5,
  enough: 300,
};
