import type { Filed } from "./arrays.ts";

/** A case, as a contender's process hears of it. */
export interface Task {
  readonly workload: string;
  readonly settings: Settings;
  readonly inputs: Readonly<Record<string, Filed>>;
  /** Where to write the results. */
  readonly folder: string;
}
export type Settings = Readonly<Record<string, number | boolean | string>>;

/** A line to a contender's process: get a case ready and do it once, do it so many times, say what memory you hold. */
export type Request = { readonly prepare: Task } | { readonly times: number } | { readonly memory: true };

/** A line back, on descriptor 3, where nothing that a library prints gets between. */
export type Reply =
  | { readonly ready: string }
  | { readonly absent: string }
  | { readonly results: Readonly<Record<string, Filed>> }
  | { readonly milliseconds: number }
  /** Bytes; `peak` is that of the tensors alone, where the library says it. */
  | { readonly resident: number; readonly peak: number | null }
  | { readonly failed: string };
