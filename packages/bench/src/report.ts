import { medianOf, type Timing } from "./timing.ts";
import type { Bar } from "./workload.ts";

/** A Markdown table that reads well as text, too. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, i) => Math.max(3, ...[name, ...rows.map((row) => row[i]!)].map((x) => [...x].length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell + " ".repeat(widths[i]! - [...cell].length)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

export function timingTable(timings: readonly Timing[], unranked: readonly string[] = []): string {
  const rows = timings.map(({ test, contender, problem, median, minimum }) => {
    if (problem !== null) return [test, contender, problem, "", ""];
    const rivals = timings.filter((other) => {
      return other.test === test && !Number.isNaN(other.median) && !unranked.includes(other.contender);
    });
    const fastest = Math.min(...rivals.map((other) => other.median));
    return [test, contender, time(median), time(minimum), (median / fastest).toFixed(2)];
  });
  return table(["case", "contender", "median", "minimum", "× fastest"], rows);
}

/** Peaks of memory; what a case cannot but hold has its name in the place of a contender's. */
export function peakTable(peaks: readonly Timing[]): string {
  const rows = peaks.map(({ test, contender, median }) => [test, contender, median.toPrecision(4)]);
  return rows.length === 0 ? "" : table(["case", "contender", "peak, MB"], rows);
}

function time(milliseconds: number): string {
  if (milliseconds < 0.001) return `${(1e6 * milliseconds).toFixed(0)} ns`;
  if (milliseconds < 0.1) return `${(1000 * milliseconds).toPrecision(3)} µs`;
  return milliseconds < 100 ? `${milliseconds.toPrecision(3)} ms` : `${milliseconds.toFixed(0)} ms`;
}

/** Each bar at the case where it is worst, by rounds, which decide, and by minima. */
export function verdicts(bars: readonly Bar[], timings: readonly Timing[]): string {
  const rows = bars.map((bar) => {
    const [rounds, minima] = [worst(bar, timings, byRounds), worst(bar, timings, byMinima)];
    if (!rounds || !minima) return [bar.says, "not measured", "", ""];
    const kept = rounds.ratio >= (bar.atLeast ?? -Infinity) && rounds.ratio <= (bar.atMost ?? Infinity);
    const show = ({ test, ratio }: typeof rounds): string => `${ratio.toFixed(2)} (${test})`;
    return [bar.says, kept ? "kept" : "missed", show(rounds), show(minima)];
  });
  return rows.length === 0 ? "" : table(["bar", "", "worst, by rounds", "worst, by minima"], rows);
}

type Find = (contender: string, test?: string) => Timing | undefined;

/**
 * The median of the ratio in each round: neighbours of the machine come and go for some seconds, and so for all of a round.
 * Rounds of two cases are some minutes apart; there it is a median like any other.
 */
function byRounds({ ratio }: Bar, find: Find): number {
  const ratios: number[] = [];
  for (let round = 0; ; round++) {
    const one = ratio((contender, test) => find(contender, test)?.rounds[round] ?? NaN);
    if (Number.isNaN(one)) return medianOf(ratios);
    ratios.push(one);
  }
}

function byMinima({ ratio }: Bar, find: Find): number {
  return ratio((contender, test) => find(contender, test)?.minimum ?? NaN);
}

function worst(
  bar: Bar,
  timings: readonly Timing[],
  ratioOf: (bar: Bar, find: Find) => number,
): { readonly test: string; readonly ratio: number } | undefined {
  const find = (contender: string, test: string): Timing | undefined =>
    timings.find((timing) => timing.contender === contender && timing.test === test);
  return [...new Set(timings.map(({ test }) => test))]
    .filter((test) => bar.cases?.includes(test) ?? true)
    .map((test) => ({ test, ratio: ratioOf(bar, (contender, at = test) => find(contender, at)) }))
    .filter(({ ratio }) => !Number.isNaN(ratio))
    .sort((a, b) => (bar.atLeast === undefined ? b.ratio - a.ratio : a.ratio - b.ratio))[0];
}
