import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { difference, readArrays, writeArrays } from "./arrays.ts";
import type { Effort } from "./effort.ts";
import { Process } from "./process.ts";
import type { Task } from "./protocol.ts";
import { peakTable, timingTable, verdicts } from "./report.ts";
import { failure, summary, type Timing } from "./timing.ts";
import type { Case, Workload } from "./workload.ts";

/** Nobody chooses them for speed: --quick does without. */
const slow = new Set(["tfjs/cpu", "jax/eager"]);

/** Runs a workload with each contender in a process of its own; the section of the document about it. */
export async function race(workload: Workload, effort: Effort): Promise<string> {
  const names = workload.contenders.filter((name) => !(effort.quick && slow.has(name)));
  const processes = new Map(names.map((name) => [name, new Process(name, effort.patience)]));
  const versions = new Map<string, string>();
  const timings: Timing[] = [];
  const peaks: Timing[] = [];
  try {
    for (const [name, process] of processes) {
      const reply = await process.started;
      if ("ready" in reply) {
        if (reply.ready) versions.set(name.split("/")[0]!, reply.ready);
        continue;
      }
      const why = "absent" in reply ? reply.absent : "failed" in reply ? reply.failed : "";
      timings.push(failure("all", name, `absent: ${why}`));
      process.stop();
      processes.delete(name);
    }
    for (const test of workload.cases) {
      if (effort.late() || (effort.quick && test.slow)) continue;
      const { times, held } = await raceCase(workload.name, test, processes, effort);
      timings.push(...times);
      if (workload.peaks) peaks.push(...held);
    }
  } finally {
    for (const process of processes.values()) process.stop();
  }
  const used = [...versions].map(([library, version]) => `${library} ${version}`).join(", ");
  return [
    workload.about,
    timingTable(timings, workload.unranked),
    verdicts(workload.bars, timings),
    peakTable(peaks),
    verdicts(workload.peaks ?? [], peaks),
    `Versions: ${used}.`,
  ]
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
  workload: string,
  test: Case,
  processes: ReadonlyMap<string, Process>,
  effort: Effort,
): Promise<{ readonly times: readonly Timing[]; readonly held: readonly Timing[] }> {
  const folder = mkdtempSync(join(tmpdir(), "gradus-bench-"));
  try {
    const given = test.inputs();
    const wanted = await test.reference(given);
    const inputs = writeArrays(given, folder);
    const racers: Racer[] = [];
    const failures: Timing[] = [];
    const held = Object.entries(test.held ?? {}).map(([what, megabytes]) => summary(test.name, what, [megabytes]));
    for (const [name, process] of processes) {
      if (test.contenders && !test.contenders.includes(name)) continue;
      const results = join(folder, String(racers.length + failures.length));
      mkdirSync(results);
      try {
        const filed = await prepare(process, { workload, settings: test.settings, inputs, folder: results });
        const peak = await peakOf(process);
        if (peak !== null) held.push(summary(test.name, name, [peak]));
        const wrong = difference(readArrays(filed), test.unchecked?.includes(name) ? {} : wanted, test.tolerance);
        if (wrong) failures.push(failure(test.name, name, `wrong: ${wrong}`));
        else racers.push(await warmUp(name, process, effort));
      } catch (error) {
        failures.push(failure(test.name, name, (error as Error).message));
      }
      rmSync(results, { recursive: true });
    }
    await runRounds(racers, effort);
    const units = test.units ?? 1;
    const times = racers.map(({ name, measured }) =>
      summary(
        test.name,
        name,
        measured.map((x) => x / units),
      ),
    );
    return { times: [...times, ...failures], held };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function prepare(process: Process, task: Task): Promise<Task["inputs"]> {
  const reply = await process.ask({ prepare: task });
  if ("results" in reply) return reply.results;
  throw new Error(problemOf(reply));
}

/** MB that tensors held at once in what was done last, where the library tells it. */
async function peakOf(process: Process): Promise<number | null> {
  const reply = await process.ask({ memory: true });
  return "peak" in reply && reply.peak !== null ? reply.peak / 1e6 : null;
}

/** Runs after which a compiler that counts calls has seen enough. */
const COMPILED = 40;

/** Until the compilers are done and nothing gets faster any more, and to see how often the work fits into a round. */
async function warmUp(name: string, process: Process, { warmUp, round }: Effort): Promise<Racer> {
  let [spent, runs, times, best, improved] = [0, 0, 1, Infinity, 0];
  do {
    const last = await timeOf(process, times);
    spent += last;
    runs += times;
    if (last / times < 0.98 * best) [best, improved] = [last / times, spent];
    if (last < round) times = Math.ceil(times * Math.min(10, 1.2 * (round / Math.max(last, 0.001))));
  } while ((spent < improved + warmUp || runs < COMPILED) && spent < 10 * warmUp);
  return { name, process, times, measured: [], spent: 0 };
}

/** Each round on the next core, the same for all: on a shared machine each core has neighbours of its own. */
async function runRounds(racers: readonly Racer[], { rounds, enough }: Effort): Promise<void> {
  const cores = cpus().length;
  for (let round = 0; round < rounds; round++) {
    for (const racer of racers) {
      if (racer.spent > (round < 3 ? 3 * enough : enough)) continue;
      racer.process.runOn(round % cores);
      const milliseconds = await timeOf(racer.process, racer.times);
      racer.measured.push(milliseconds / racer.times);
      racer.spent += milliseconds;
    }
  }
}

async function timeOf(process: Process, times: number): Promise<number> {
  const reply = await process.ask({ times });
  if ("milliseconds" in reply) return reply.milliseconds;
  throw new Error(problemOf(reply));
}

const problemOf = (reply: object): string => ("failed" in reply ? `failed: ${String(reply.failed)}` : "failed");
