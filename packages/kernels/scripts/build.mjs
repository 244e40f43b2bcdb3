// Compiles assembly/ to WebAssembly and writes src/module.generated.ts: the module as base64, the type of its exports.
//
// AssemblyScript cannot export a generic function. For each one that a file listed in assembly/index.ts exports,
// wrappers are added, one for each type that its type parameter stands for: NAME_f32 and NAME_f64 for NAME<Float>.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const assembly = new URL("../assembly/", import.meta.url);
const target = new URL("../src/module.generated.ts", import.meta.url);
const types = { Float: ["f32", "f64"], Bits: ["u8", "u32", "u64"] };
// Warning 235 says that a generic function is not exported.
const flags = `-O3 --shrinkLevel 1 --noAssert --runtime stub --enable simd --enable bulk-memory --disableWarning 235
  --importMemory --noExportMemory --zeroFilledMemory --initialMemory 1 --maximumMemory 65536`.split(/\s+/);

const sources = Object.fromEntries(
  readdirSync(assembly)
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => [name, readFileSync(new URL(name, assembly), "utf8")]),
);
const others = [import.meta.url, import.meta.resolve("assemblyscript/package.json")]; // this script, the compiler
const fingerprint = fingerprintOf([...others.map((url) => readFileSync(new URL(url), "utf8")), sources]);
const header = `// Made by scripts/build.mjs from assembly/; fingerprint ${fingerprint}.`;

if (!isUpToDate()) {
  const started = performance.now();
  const kernels = kernelsOf(sources);
  const wasm = await compile(withWrappers(kernels));
  writeFileSync(target, moduleText(kernels, wasm));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`kernels: ${(wasm.length / 1024).toFixed(1)} KB of WebAssembly in ${seconds} s`);
}

function fingerprintOf(inputs) {
  return createHash("sha256").update(JSON.stringify(inputs)).digest("hex").slice(0, 16);
}

function isUpToDate() {
  try {
    return readFileSync(target, "utf8").startsWith(header);
  } catch {
    return false;
  }
}

/** The functions that the module exports: `{ name, file, type, parameters: [name, type][], result }`. */
function kernelsOf(sources) {
  const files = [...sources["index.ts"].matchAll(/^export \* from "\.\/(\w+)";$/gm)].map((match) => match[1]);
  return ["index", ...files].flatMap((file) => {
    const text = sources[`${file}.ts`];
    const found = [...text.matchAll(/^export function (\w+)(?:<(\w+)>)?\(([^)]*)\): (\w+) \{$/gm)];
    const unread = (text.match(/^export /gm)?.length ?? 0) - found.length;
    if (file !== "index" && unread > 0) throw new Error(`${file}.ts: ${unread} exports are not of the form understood`);
    return found.map(([, name, type, parameters, result]) => {
      if (type !== undefined && !(type in types)) throw new Error(`${file}.ts: ${name}<${type}>: no such type`);
      const pairs = [...parameters.matchAll(/(\w+): (\w+)/g)].map((match) => [match[1], match[2]]);
      return { name, file, type, parameters: pairs, result };
    });
  });
}

/** The sources with the wrappers; a function that only its wrappers call becomes part of them, which saves its call. */
function withWrappers(kernels) {
  const text = Object.values(sources).join("\n");
  const callers = (name) => text.match(new RegExp(`\\b${name}(<\\w+>)?\\(`, "g")).length;
  const inlined = (file) =>
    file.replace(/^export function (\w+)</gm, (start, name) => (callers(name) === 1 ? `@inline\n${start}` : start));
  const files = Object.entries(sources).map(([name, file]) => [name, inlined(file)]);
  return { ...Object.fromEntries(files), "index.ts": sources["index.ts"] + wrappersOf(kernels) };
}

function wrappersOf(kernels) {
  return kernels
    .filter(({ type }) => type !== undefined)
    .map(({ name, file, type, parameters, result }) => {
      const names = parameters.map(([name]) => name).join(", ");
      const plain = types[type].map((concrete) => {
        const typed = parameters.map(([name, of]) => `${name}: ${of === type ? concrete : of}`).join(", ");
        return `export function ${name}_${concrete}(${typed}): ${result} { return ${name}<${concrete}>(${names}); }`;
      });
      return [`import { ${name} } from "./${file}";`, ...plain].join("\n");
    })
    .join("\n");
}

async function compile(files) {
  const { default: asc } = await import("assemblyscript/asc"); // a second to load: not where there is nothing to do
  let wasm;
  const { error, stderr } = await asc.main(["index.ts", "--outFile", "kernels.wasm", ...flags], {
    readFile: (name) => files[name] ?? null,
    writeFile: (name, contents) => void (wasm = contents),
    listFiles: () => [],
  });
  const complaints = stderr.toString();
  if (error || complaints !== "") throw new Error(`asc: ${error?.message ?? "warnings"}\n${complaints}`);
  return wasm;
}

function moduleText(kernels, wasm) {
  const typed = kernels.flatMap(({ name, type, parameters, result }) => {
    const names = type === undefined ? [name] : types[type].map((concrete) => `${name}_${concrete}`);
    const list = parameters.map(([parameter]) => `${parameter}: number`).join(", ");
    return names.map((full) => `  readonly ${full}: (${list}) => ${result === "void" ? "void" : "number"};`);
  });
  return `${header}
/* prettier-ignore */
export interface KernelExports {
${typed.join("\n")}
}

/* prettier-ignore */
export const moduleBase64: string =
  "${Buffer.from(wasm).toString("base64")}";
`;
}
