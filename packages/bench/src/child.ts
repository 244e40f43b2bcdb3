/** The process of a contender that runs in Node: `node child.mjs LIBRARY VARIANT`, requests on stdin, replies on 3. */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { readArrays, writeArrays } from "./arrays.ts";
import type { Load, Run } from "./contender.ts";
import { loadGradus } from "./contenders/gradus.ts";
import { loadJax } from "./contenders/jax.ts";
import { loadOnnxruntime } from "./contenders/onnxruntime.ts";
import { loadPlain } from "./contenders/plain.ts";
import { loadTfjs } from "./contenders/tfjs.ts";
import type { Reply, Request } from "./protocol.ts";

const libraries: Readonly<Record<string, Load>> = {
  gradus: loadGradus,
  plain: loadPlain,
  tfjs: loadTfjs,
  jax: loadJax,
  onnxruntime: loadOnnxruntime,
};

const reply = (message: Reply): void => void writeSync(3, `${JSON.stringify(message)}\n`);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;

const [library = "", variant = ""] = process.argv.slice(2);
try {
  const { version, workloads, peak } = await libraries[library]!(variant);
  reply({ ready: version });
  let run: Run | null = null;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    try {
      if ("times" in request) {
        reply({ milliseconds: await run!.time(request.times) });
        continue;
      }
      if ("memory" in request) {
        reply({ resident: process.memoryUsage().rss, peak: peak?.() ?? null });
        continue;
      }
      const { workload, settings, inputs, folder } = request.prepare;
      run = null; // before the next case takes memory
      run = await workloads[workload]!(readArrays(inputs), settings);
      reply({ results: writeArrays(await run.read(), folder) });
    } catch (error) {
      reply({ failed: messageOf(error) });
    }
  }
} catch (error) {
  reply({ absent: messageOf(error) });
}
process.exit();
