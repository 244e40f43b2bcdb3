import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { childBundle, pytorchScript } from "./paths.ts";
import { pythonWithTorch } from "./python.ts";
import type { Reply, Request } from "./protocol.ts";

const STARTING = 60; // seconds: a library may be large and the disk cold

/** A contender's process. It is asked one thing at a time. */
export class Process {
  /** The library's version, or why there is none. */
  readonly started: Promise<Reply>;
  readonly #child: ChildProcess;
  readonly #replies: AsyncIterator<string>;
  readonly #patience: number;
  readonly #parallel: boolean;
  #lastWords = "";

  /** `patience` is how many seconds an answer may take. */
  constructor(contender: string, patience: number) {
    this.#patience = patience;
    const [library = "", variant = ""] = contender.split("/");
    this.#parallel = isParallel(variant);
    const python = library === "pytorch";
    const args = python ? [pytorchScript, variant] : [childBundle, library, variant];
    const options: SpawnOptions = { env: environmentOf(variant), stdio: ["pipe", "ignore", "pipe", "pipe"] };
    this.#child = spawn(python ? pythonWithTorch() : process.execPath, args, options);
    this.#child.on("error", ({ message }) => (this.#lastWords = message));
    this.#child.stdin!.on("error", () => undefined); // it ended, and the missing reply says so
    this.#child.stderr!.on("data", (text) => (this.#lastWords = String(text).trim().split("\n").at(-1)!));
    this.#replies = createInterface({ input: this.#child.stdio[3] as Readable })[Symbol.asyncIterator]();
    this.started = this.#next(STARTING);
  }

  async ask(request: Request): Promise<Reply> {
    if (this.#child.exitCode === null) this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    return await this.#next(this.#patience);
  }

  /** Moves it to a core, all its threads, where `taskset` is to be had and it is not a matter of all cores. */
  runOn(core: number): void {
    if (!this.#parallel) spawnSync("taskset", ["-acp", String(core), String(this.#child.pid)]);
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }

  async #next(patience: number): Promise<Reply> {
    const timer = setTimeout(() => {
      this.#lastWords = `no answer in ${patience} s`;
      this.stop();
    }, 1000 * patience);
    const next = await this.#replies.next();
    clearTimeout(timer);
    return next.done ? { failed: `its process ended: ${this.#lastWords}` } : (JSON.parse(next.value) as Reply);
  }
}

const isParallel = (variant: string): boolean => variant.endsWith(", all threads");

/** One thread, not spinning while it waits, unless the variant says otherwise. */
function environmentOf(variant: string): NodeJS.ProcessEnv {
  const threads = isParallel(variant) ? {} : { OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" };
  // By itself glibc maps each large block anew, and the pages' first touch costs far more than the arithmetic.
  const keep = { MALLOC_MMAP_THRESHOLD_: "4000000000", MALLOC_TRIM_THRESHOLD_: "4000000000" };
  return { ...process.env, OMP_WAIT_POLICY: "PASSIVE", ...threads, ...(variant.endsWith(", memory kept") ? keep : {}) };
}
