/**
 * Bundles each public package into one module per entry, and what entries share: Node takes a good half of a millisecond to
 * load a file, and an op is a file. See docs/adr/0007.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";

interface Manifest {
  readonly private?: boolean;
  readonly exports: Readonly<Record<string, string>>;
}

const manifests = readdirSync("packages").map((name) => join("packages", name, "package.json"));
for (const file of manifests.filter((file) => existsSync(file))) {
  const manifest = JSON.parse(readFileSync(file, "utf8")) as Manifest;
  if (manifest.private) continue;
  await build({
    absWorkingDir: resolve(dirname(file)),
    entryPoints: Object.values(manifest.exports),
    outdir: "dist",
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    packages: "external",
    charset: "ascii", // read and compiled in less time than a file of two-byte characters
    sourcemap: true,
    sourcesContent: false, // src is published, too
    logLevel: "warning",
  });
}
