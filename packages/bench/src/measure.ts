/** What is timed: `run` may do several units of work at once, for things too short to time alone. */
export interface Contender {
  readonly name: string;
  readonly run: () => void;
  /** Units of work in one run. Default: 1. */
  readonly units?: number;
}

export interface Timing {
  readonly name: string;
  /** Milliseconds a unit. */
  readonly median: number;
  readonly minimum: number;
}

/** Times contenders in turn, round after round, so that whatever else the machine does meets all of them alike. */
export function measure(contenders: readonly Contender[], rounds: number): Timing[] {
  const times = contenders.map(() => [] as number[]);
  for (const { run } of contenders) for (let i = 0; i < 3; i++) run();
  for (let round = 0; round < rounds; round++) {
    contenders.forEach(({ run, units = 1 }, i) => {
      const start = performance.now();
      run();
      times[i]!.push((performance.now() - start) / units);
    });
  }
  return contenders.map(({ name }, i) => {
    const sorted = times[i]!.sort((a, b) => a - b);
    return { name, median: sorted[sorted.length >> 1]!, minimum: sorted[0]! };
  });
}

/** Prints timings in a table, each with its ratio to the one named, by medians. */
export function report(title: string, timings: readonly Timing[], to: string): void {
  const base = timings.find(({ name }) => name === to)!;
  console.log(`\n${title}`);
  for (const { name, median, minimum } of timings) {
    const [m, n] = [median, minimum].map((ms) => (ms < 0.1 ? `${(1000 * ms).toFixed(2)} µs` : `${ms.toFixed(2)} ms`));
    const ratio = `${(median / base.median).toFixed(2)} × ${to}`;
    console.log(`  ${name.padEnd(34)} median ${m!.padStart(10)}   minimum ${n!.padStart(10)}   ${ratio}`);
  }
}

/** Throws unless two results are close: nothing is timed before it is right. */
export function agree(name: string, a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number): void {
  for (let i = 0; i < a.length; i++) {
    if (Math.abs(a[i]! - b[i]!) <= tolerance * Math.max(1, Math.abs(b[i]!))) continue;
    throw new Error(`${name}: element ${i} is ${a[i]}, not ${b[i]}`);
  }
}
