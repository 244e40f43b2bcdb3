import type { Timing } from "./race.ts";
import type { Bar } from "./workload.ts";

/** A Markdown table that reads well as text, too. The columns from the third on are numbers, to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, i) => Math.max(...[name, ...rows.map((row) => row[i]!)].map((x) => [...x].length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell + " ".repeat(widths[i]! - [...cell].length)).join(" | ")} |`;
  const rule = widths.map((width, i) => (i < 2 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

export function time(milliseconds: number): string {
  if (milliseconds < 0.001) return `${(1e6 * milliseconds).toFixed(0)} ns`;
  if (milliseconds < 0.1) return `${(1000 * milliseconds).toPrecision(3)} µs`;
  return milliseconds < 100 ? `${milliseconds.toPrecision(3)} ms` : `${milliseconds.toFixed(0)} ms`;
}

/** Each bar at the case where it is worst. */
export function verdicts(bars: readonly Bar[], timings: readonly Timing[]): string {
  const median = (contender: string, test: string): number => {
    const found = timings.find((timing) => timing.contender === contender && timing.test === test);
    return found && "median" in found.result ? found.result.median : NaN;
  };
  const tests = new Set(timings.map(({ test }) => test).filter((test) => test !== "all"));
  const rows = bars.map((bar) => {
    const ratios = [...tests]
      .filter((test) => bar.cases?.includes(test) ?? true)
      .map((test) => ({ test, ratio: bar.ratio((contender, at = test) => median(contender, at)) }))
      .filter(({ ratio }) => !Number.isNaN(ratio))
      .sort((a, b) => (bar.atLeast === undefined ? b.ratio - a.ratio : a.ratio - b.ratio));
    const worst = ratios[0];
    if (!worst) return [bar.says, "", "not measured", ""];
    const kept = worst.ratio >= (bar.atLeast ?? -Infinity) && worst.ratio <= (bar.atMost ?? Infinity);
    const all = ratios.map(({ ratio }) => ratio.toFixed(2));
    return [bar.says, kept ? "kept" : "missed", `${all[0]} (${worst.test})`, all.at(-1)!];
  });
  return rows.length === 0 ? "" : table(["bar", "", "worst", "best"], rows);
}
