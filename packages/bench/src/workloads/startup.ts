import { spawnSync } from "node:child_process";
import { packedFolder } from "../packed.ts";
import { contendersFolder } from "../paths.ts";
import type { Effort } from "../effort.ts";
import { timingTable, verdicts } from "../report.ts";
import { failure, summary, type Timing } from "../timing.ts";
import type { Bar } from "../workload.ts";

interface Program {
  readonly contender: string;
  readonly folder: string;
  /** A module that prints the gradient of Σ tanh(x·x) at x = 0.5 to three decimals. */
  readonly code: string;
}

const WANTED = "0.940";

const programs = (): Program[] => [
  { contender: "bare Node", folder: contendersFolder, code: `console.log("${WANTED}");` },
  {
    contender: "gradus",
    folder: packedFolder(),
    code: `
      import { grad, tensor } from "@gradus/core";
      import { mul, sum, tanh } from "@gradus/ops";
      const x = tensor([0.5], { requiresGrad: true });
      console.log(grad(sum(tanh(mul(x, x))), [x])[0].item().toFixed(3));`,
  },
  {
    contender: "tfjs/wasm",
    folder: contendersFolder,
    code: `
      import tf from "@tensorflow/tfjs";
      import "@tensorflow/tfjs-backend-wasm";
      await tf.setBackend("wasm");
      const dx = tf.grad((x) => tf.sum(tf.tanh(tf.mul(x, x))))(tf.tensor([0.5]));
      console.log(dx.dataSync()[0].toFixed(3));`,
  },
  {
    contender: "jax/jit",
    folder: contendersFolder,
    code: `
      import { grad, init, jit, numpy as np } from "@jax-js/jax";
      await init("wasm");
      const dx = jit(grad((x) => np.tanh(x.ref.mul(x)).sum()))(np.array([0.5]));
      console.log(dx.dataSync()[0].toFixed(3));`,
  },
];

const bar: Bar = {
  says: "gradus has its first gradient ≤ 40 ms after bare Node would have ended",
  ratio: (time) => time("gradus") - time("bare Node"),
  atMost: 40,
};

/** Whole processes: start, import from the packed packages, one gradient, end. */
export function startup({ quick, rounds }: Effort): string {
  const all = programs();
  const test = "first gradient";
  const failures = new Map<string, string>();
  const times = new Map(all.map(({ contender }) => [contender, [] as number[]]));
  for (let round = 0; round < (quick ? rounds : 21); round++) {
    for (const { contender, folder, code } of all) {
      const start = performance.now();
      const run = spawnSync(process.execPath, ["--input-type=module", "-e", code], { cwd: folder, encoding: "utf8" });
      times.get(contender)!.push(performance.now() - start);
      const problem = /\w*Error.*/u.exec(run.stderr)?.[0] ?? `printed ${run.stdout.trim()}`;
      if (run.stdout.trim() !== WANTED) failures.set(contender, problem);
    }
  }
  const timings = [...times].map(([contender, measured]): Timing => {
    const problem = failures.get(contender);
    return problem === undefined ? summary(test, contender, measured) : failure(test, contender, `failed: ${problem}`);
  });
  return `${timingTable(timings)}\n\n${verdicts([bar], timings)}`;
}
