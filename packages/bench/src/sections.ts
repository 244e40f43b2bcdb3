import type { Effort } from "./effort.ts";
import { race } from "./race.ts";
import type { Workload } from "./workload.ts";
import { bits } from "./workloads/bits.ts";
import { elementwise } from "./workloads/elementwise.ts";
import { embedding } from "./workloads/embedding.ts";
import { linearLoss } from "./workloads/linearLoss.ts";
import { loss } from "./workloads/loss.ts";
import { matmul } from "./workloads/matmul.ts";
import { memory } from "./workloads/memory.ts";
import { overhead } from "./workloads/overhead.ts";
import { size } from "./workloads/size.ts";
import { startup } from "./workloads/startup.ts";
import { timeSteps } from "./workloads/timeSteps.ts";
import { training } from "./workloads/training.ts";

/** A part of the document. */
export interface Section {
  readonly name: string;
  readonly title: string;
  /** The text below the title. */
  readonly measure: (effort: Effort) => string | Promise<string>;
}

const raced = (workload: Workload): Section => ({ ...workload, measure: (effort) => race(workload, effort) });

export const sections: readonly Section[] = [
  raced(loss),
  raced(linearLoss),
  raced(matmul),
  raced(elementwise),
  raced(embedding),
  raced(training),
  raced(overhead),
  raced(timeSteps),
  { name: "startup", title: "Start-up", measure: startup },
  { name: "size", title: "Installed size", measure: size },
  { name: "memory", title: "Memory", measure: memory },
  { name: "bits", title: "Equal bits", measure: bits },
];
