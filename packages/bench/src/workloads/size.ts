import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { packedFolder } from "../packed.ts";
import { contendersFolder } from "../paths.ts";
import { table } from "../report.ts";

/** Bytes on disk of packages and of all that they depend on, as they are installed. */
export function size(): string {
  const packed = packedFolder();
  const rows = [
    ["gradus: core, ops", packed, "@gradus/ops"],
    ["gradus: core, ops, seq2seq, nn", packed, "@gradus/ops", "@gradus/seq2seq", "@gradus/nn"],
    ["jax", contendersFolder, "@jax-js/jax"],
    ["tfjs, tfjs-backend-wasm", contendersFolder, "@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm"],
    ["onnxruntime-node", contendersFolder, "onnxruntime-node"],
  ].map(([name, folder, ...packages]) => {
    const found = new Set<string>();
    for (const of of packages) collect(of, folder!, found);
    const bytes = [...found].reduce((sum, at) => sum + bytesIn(at), 0);
    return [name!, String(found.size), found.size === 0 ? "absent" : `${(bytes / 1e6).toFixed(2)} MB`];
  });
  return table(["installed", "packages", "size"], rows);
}

/** Adds the folder of a package, as seen from another one, and those of its dependencies. */
function collect(name: string, from: string, found: Set<string>): void {
  let above = from;
  while (!existsSync(join(above, "node_modules", name))) {
    if (above === dirname(above)) return;
    above = dirname(above);
  }
  const folder = realpathSync(join(above, "node_modules", name));
  if (found.has(folder)) return;
  found.add(folder);
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { dependencies?: object };
  for (const dependency of Object.keys(manifest.dependencies ?? {})) collect(dependency, folder, found);
}

function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, entry) => {
    const path = join(folder, entry);
    const { size } = lstatSync(path);
    if (lstatSync(path).isDirectory()) return entry === "node_modules" ? sum : sum + bytesIn(path);
    return sum + size;
  }, 0);
}
