import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeArrays } from "../arrays.ts";
import { Process } from "../process.ts";
import type { Effort } from "../effort.ts";
import { table } from "../report.ts";
import { training } from "./training.ts";

const READINGS = 10;

/** Resident memory of a contender's process over many training steps; linear memory's peak where it is known. */
export async function memory(effort: Effort): Promise<string> {
  const others = effort.quick ? [] : ["gradus/composed", "tfjs/wasm", "jax/jit", "pytorch/GRU"];
  const steps = effort.quick ? 200 : 10_000;
  const inTurn = async (): Promise<string[][]> => {
    const rows = [];
    for (const other of others) rows.push(await readings(other, 300, effort));
    return rows;
  };
  // Beside each other: nothing is timed here, and ours takes two minutes.
  const [ours, theirs] = await Promise.all([readings("gradus/fused", steps, effort), inTurn()]);
  const rows = [ours, ...theirs];
  const resident = ours.slice(2, -1).map(Number);
  const [early, last] = [resident[1]!, resident.at(-1)!];
  const says = "gradus/fused holds ≤ 120 MB, and at the end ≤ 1.05 × of what it held early";
  const growth = `${last} MB, ${(last / early).toFixed(2)} × what it was after ${steps / 5} steps`;
  const verdict = last <= 120 && last <= 1.05 * early ? "kept" : "missed";
  const bar = ours.at(-1) === "" ? [says, "not measured", ""] : [says, verdict, growth];
  const tenths = Array.from({ length: READINGS }, (_, i) => `${i + 1}/${READINGS}`);
  return [
    "Resident MB after each tenth of the training steps of 12 + 12, and the peak of the tensors' own memory.",
    table(["contender", "steps", ...tenths, "peak"], rows),
    table(["bar", "", "figure"], [bar]),
  ].join("\n\n");
}

async function readings(contender: string, steps: number, effort: Effort): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "gradus-bench-"));
  const process = new Process(contender, effort.patience);
  const failed = (reply: object): string[] => {
    const [why] = Object.values(reply) as string[];
    return [contender, `0: ${why}`, ...new Array<string>(READINGS + 1).fill("")];
  };
  try {
    const started = await process.started;
    if (!("ready" in started)) return failed(started);
    const [{ settings, inputs }] = training.cases as [(typeof training.cases)[0]];
    const given = writeArrays(inputs(), folder);
    const prepared = await process.ask({ prepare: { workload: training.name, settings, inputs: given, folder } });
    if (!("results" in prepared)) return failed(prepared);
    const row = [contender, String(steps)];
    let peak = "";
    for (let reading = 0; reading < READINGS; reading++) {
      for (let done = 0; done < steps / READINGS; done += 10) {
        const reply = await process.ask({ times: Math.min(10, steps / READINGS) });
        if (!("milliseconds" in reply)) return failed(reply);
      }
      const held = await process.ask({ memory: true });
      if (!("resident" in held)) return failed(held);
      row.push((held.resident / 1e6).toFixed(0));
      peak = held.peak === null ? "" : (held.peak / 1e6).toFixed(0);
    }
    return [...row, peak];
  } finally {
    process.stop();
    rmSync(folder, { recursive: true });
  }
}
