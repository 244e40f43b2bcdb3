import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { difference, readArrays, writeArrays, type Arrays } from "./arrays.ts";
import { Process } from "./process.ts";
import type { Task } from "./protocol.ts";
import { table, time, verdicts } from "./report.ts";
import type { Case, Workload } from "./workload.ts";

/** How long to measure. */
export interface Effort {
  readonly quick: boolean;
  /** Seconds that a contender may take for an answer. */
  readonly patience: number;
  readonly rounds: number;
  /** Milliseconds: of warming up, of a round at least, and those after which a contender races no further. */
  readonly warmUp: number;
  readonly round: number;
  readonly enough: number;
}

export interface Timing {
  readonly test: string;
  readonly contender: string;
  /** Milliseconds a unit, or why there are none. */
  readonly result: { readonly median: number; readonly minimum: number } | { readonly none: string };
}

/** Runs a workload with each contender in a process of its own; the section of the document about it. */
export async function race(workload: Workload, effort: Effort): Promise<string> {
  const processes = new Map(workload.contenders.map((name) => [name, new Process(name, effort.patience)]));
  const versions = new Map<string, string>();
  const absent: Timing[] = [];
  for (const [name, process] of processes) {
    const reply = await process.started;
    if ("ready" in reply) {
      if (reply.ready) versions.set(name.split("/")[0]!, reply.ready);
      continue;
    }
    const why = "absent" in reply ? reply.absent : "failed" in reply ? reply.failed : "no answer";
    absent.push({ test: "all", contender: name, result: { none: `absent: ${why}` } });
    processes.delete(name);
  }
  const timings = [...absent];
  try {
    for (const test of workload.cases) {
      if (test.slow && effort.quick) continue;
      timings.push(...(await raceCase(workload, test, processes, effort)));
    }
  } finally {
    for (const process of processes.values()) process.stop();
  }
  const used = [...versions].map(([library, version]) => `${library} ${version}`).join(", ");
  return [workload.about, timingTable(timings), verdicts(workload.bars, timings), `Versions: ${used}.`]
    .filter(Boolean)
    .join("\n\n");
}

interface Racer {
  readonly name: string;
  readonly process: Process;
  readonly times: number;
  readonly measured: number[];
  spent: number;
}

async function raceCase(
  { name: workload, contenders }: Workload,
  test: Case,
  processes: ReadonlyMap<string, Process>,
  effort: Effort,
): Promise<Timing[]> {
  const folder = mkdtempSync(join(tmpdir(), "gradus-bench-"));
  const failures: Timing[] = [];
  const racers: Racer[] = [];
  const fail = (contender: string, none: string): void =>
    void failures.push({ test: test.name, contender, result: { none } });
  try {
    const given = test.inputs();
    const wanted = test.reference(given);
    const inputs = writeArrays(given, folder);
    for (const name of test.contenders ?? contenders) {
      const process = processes.get(name);
      if (!process) continue;
      const results = join(folder, String(racers.length + failures.length));
      mkdirSync(results);
      const task: Task = { workload, settings: test.settings, inputs, folder: results };
      try {
        await check(process, task, name === "gradus/products alone" ? {} : wanted, test.tolerance);
        racers.push(await warmUp(name, process, effort));
      } catch (error) {
        fail(name, (error as Error).message);
      }
      rmSync(results, { recursive: true });
    }
    for (let round = 0; round < effort.rounds; round++) {
      for (const racer of racers) {
        if (round >= 3 && racer.spent > effort.enough) continue;
        const milliseconds = await timeOf(racer.process, racer.times);
        racer.measured.push(milliseconds / racer.times / (test.units ?? 1));
        racer.spent += milliseconds;
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return [
    ...racers.map(({ name, measured }): Timing => ({ test: test.name, contender: name, result: summary(measured) })),
    ...failures,
  ];
}

/** Throws unless the contender's results are right. */
async function check(process: Process, prepare: Task, wanted: Arrays, tolerance: number): Promise<void> {
  const reply = await process.ask({ prepare });
  if ("failed" in reply) throw new Error(`failed: ${reply.failed}`);
  if (!("results" in reply)) throw new Error("failed: no results");
  const wrong = difference(readArrays(reply.results), wanted, tolerance);
  if (wrong) throw new Error(`wrong: ${wrong}`);
}

async function timeOf(process: Process, times: number): Promise<number> {
  const reply = await process.ask({ times });
  if ("milliseconds" in reply) return reply.milliseconds;
  throw new Error("failed" in reply ? `failed: ${reply.failed}` : "failed: no time");
}

async function warmUp(name: string, process: Process, { warmUp, round }: Effort): Promise<Racer> {
  let [spent, times, last] = [0, 1, 0];
  do {
    last = await timeOf(process, times);
    spent += last;
    times = last < round ? Math.ceil(times * Math.min(10, 1.2 * (round / Math.max(last, 0.001)))) : times;
  } while (spent < warmUp);
  return { name, process, times, measured: [], spent: 0 };
}

export function summary(measured: readonly number[]): { median: number; minimum: number } {
  const sorted = [...measured].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1]!, minimum: sorted[0]! };
}

export function timingTable(timings: readonly Timing[]): string {
  const fastest = new Map<string, number>();
  for (const { test, contender, result } of timings) {
    if ("none" in result || contender.endsWith("alone")) continue;
    fastest.set(test, Math.min(fastest.get(test) ?? Infinity, result.median));
  }
  const rows = timings.map(({ test, contender, result }) => {
    if ("none" in result) return [test, contender, result.none, "", ""];
    const ratio = (result.median / fastest.get(test)!).toFixed(2);
    return [test, contender, time(result.median), time(result.minimum), ratio];
  });
  return table(["case", "contender", "median", "minimum", "× fastest"], rows);
}
