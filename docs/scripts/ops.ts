/** docs/ops.md, from the doc comments of the ops and the table of ops. The table says which they are. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const page = "docs/ops.md";

/** What the page says of an op beside its doc comment. */
interface Entry {
  readonly errors: readonly { readonly error: { readonly name: string }; readonly message: string }[];
  readonly degree?: 1 | 2;
  readonly noGradient?: string;
}
export type Table = Readonly<Record<string, Entry>>;

/** The texts of the files that may define an op; of two functions of one name the first is taken. */
export function opSources(): string[] {
  return ["packages/ops/src", "packages/core/src"].flatMap((folder) => {
    const files = readdirSync(join(root, folder)).filter((file) => file.endsWith(".ts"));
    return files.sort().map((file) => readFileSync(join(root, folder, file), "utf8"));
  });
}

const head = `# Ops

Made by \`pnpm docs:update\` from the doc comments and the table of ops: edit those. Each op is a file of
[packages/ops/src](../packages/ops/src), or is re-exported from [@gradus/core](../packages/core/src). Its doc comment gives
formula, pull-back and edges; ∂y/∂x is the slope, dy the cotangent that reaches it. The last block of an op shows calls
that it refuses, in the words of the error. What happens at the edges is collected in [conventions](conventions.md).
`;

export function reference(table: Table, sources: readonly string[]): string {
  const names = Object.keys(table).sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
  const links = names.map((name) => `[${name}](#${name.toLowerCase()})`).join(" ·\n");
  return [head, `${links}\n`, ...names.map((name) => section(name, table[name]!, sources))].join("\n");
}

/** Throws at the first line of the page that is not what the sources and the table say. */
export function checkReference(text: string, table: Table, sources: readonly string[]): void {
  const [said, want] = [text.split("\n"), reference(table, sources).split("\n")];
  for (let at = 0; at < Math.max(said.length, want.length); at++) {
    if (said[at] === want[at]) continue;
    throw new Error(
      `${page}:${at + 1} is stale, run pnpm docs:update\n  says ${said[at] ?? "nothing"}\n  want ${want[at] ?? "nothing"}`,
    );
  }
}

function section(name: string, { errors, degree, noGradient }: Entry, sources: readonly string[]): string {
  const { comment, signature } = definitionOf(name, sources);
  const { text, tags } = partsOf(name, comment);
  const tagged = (tag: string): string[] => tags.filter((part) => part.tag === tag).map((part) => part.text);
  const parts = [
    `## ${name}`,
    fenced("ts", [signature, ...optionsOf(signature, sources)].join("\n\n")),
    text,
    ...tagged("throws").map((what) => `Throws ${sentence(what)}`),
    ...tagged("source").map((what) => `Source: ${sentence(what)}`),
    noGradient === undefined ? "" : `No gradient: ${noGradient}.`,
    degree === undefined ? "" : `A polynomial of degree ${degree} in all its floats together.`,
    ...tagged("example").map((code) => fenced("ts", code.replace(/^```.*\n?/gm, "").trimEnd())),
    fenced("text", errors.map(({ error, message }) => `${error.name}: ${message}`).join("\n")),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

const fenced = (language: string, code: string): string => `\`\`\`${language}\n${code}\n\`\`\``;
const sentence = (text: string): string => (text.endsWith(".") ? text : `${text}.`);

/** The doc comment of an op, without its marks, and its signature. */
function definitionOf(name: string, sources: readonly string[]): { comment: string; signature: string } {
  const starts = [`export function ${name}(`, `export function ${name}<`, `export const ${name}: `];
  for (const lines of sources.map((text) => text.split("\n"))) {
    const at = lines.findIndex((line) => starts.some((start) => line.startsWith(start)));
    if (at < 0) continue;
    if (at === 0 || !lines[at - 1]!.endsWith("*/")) throw new Error(`${name} has no doc comment`);
    let open = at - 1;
    while (!lines[open]!.startsWith("/**")) open--;
    const comment = lines.slice(open, at).map((line) => line.replace(/^ ?\/?\*+ ?/, "").replace(/ ?\*?\/$/, ""));
    return { comment: comment.join("\n").trim(), signature: signatureOf(name, lines.slice(at), sources) };
  }
  throw new Error(`${name} is in the table, but no source exports it`);
}

/** As it is written: prettier ends a function's head with a line, not indented, that ends with a brace. */
function signatureOf(name: string, lines: readonly string[], sources: readonly string[]): string {
  if (lines[0]!.startsWith("export function ")) {
    const end = lines.findIndex((line) => !line.startsWith(" ") && line.endsWith(" {"));
    const written = lines.slice(0, end + 1).join("\n");
    return written.slice("export function ".length, -" {".length);
  }
  const type = /^export const \w+: (\w+) =/.exec(lines[0]!)?.[1];
  const meaning = blockOf(`export type ${type} = `, sources)?.split(" => ");
  if (meaning?.length !== 2) throw new Error(`${name}: its type has no name, or is no type of functions`);
  return `${name}${meaning[0]!.slice(`export type ${type} = `.length)}: ${meaning[1]!.replace(";", "")}`;
}

/** The interfaces that a text names, and those that these extend. */
function optionsOf(text: string, sources: readonly string[]): string[] {
  const found: string[] = [];
  const look = (words: string): void => {
    for (const name of words.match(/\b\w+Options\b/g) ?? []) {
      const block = blockOf(`export interface ${name} `, sources)?.slice("export ".length);
      if (block === undefined || found.includes(block)) continue;
      found.push(block);
      look(block.split("\n")[0]!);
    }
  };
  look(text);
  return found;
}

/** From the line that starts so to the line that closes it. */
function blockOf(start: string, sources: readonly string[]): string | undefined {
  for (const lines of sources.map((text) => text.split("\n"))) {
    const at = lines.findIndex((line) => line.startsWith(start));
    if (at < 0) continue;
    const end = lines.findIndex((line, i) => i >= at && !line.startsWith(" ") && /[;}]$/.test(line));
    return lines.slice(at, end + 1).join("\n");
  }
  return undefined;
}

function partsOf(name: string, comment: string): { text: string; tags: { tag: string; text: string }[] } {
  const [text, ...rest] = comment.split(/^@/m);
  const tags = rest.map((part) => {
    const [tag] = /^\w+/.exec(part)!;
    if (!["throws", "source", "example"].includes(tag)) throw new Error(`${name}: @${tag} has no place in ${page}`);
    return { tag, text: part.slice(tag.length).trim() };
  });
  return { text: text!.trim(), tags };
}
