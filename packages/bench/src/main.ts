import { parseArgs } from "node:util";
import { facts, installContenders } from "./setting.ts";
import { replaceSection, writeDocument } from "./document.ts";
import { brief, thorough, type Effort } from "./effort.ts";
import { sections, type Section } from "./sections.ts";

const help = `pnpm bench [--only NAME]… [--quick]

Measures gradus against other libraries, one thread each, and writes docs/benchmarks.md.

  --only NAME   one part, and replaces that part of the document alone; may be repeated
  --quick       under 2 minutes: few rounds, small cases; writes no document
  --help

${sections.map(({ name, title }) => `  ${name.padEnd(12)}${title}`).join("\n")}`;

try {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      quick: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) console.log(help);
  else await bench(chosen(values.only ?? []), values.only !== undefined, values.quick ? brief : thorough);
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
}

function chosen(names: readonly string[]): readonly Section[] {
  const known = sections.map(({ name }) => name);
  const strange = names.find((name) => !known.includes(name));
  if (strange !== undefined) throw new Error(`no part ${strange}; there are ${known.join(", ")}`);
  return names.length === 0 ? sections : sections.filter(({ name }) => names.includes(name));
}

async function bench(parts: readonly Section[], some: boolean, effort: Effort): Promise<void> {
  const problem = installContenders();
  if (problem) console.log(`The other libraries could not be installed (${problem}): going on without.\n`);
  if (effort.quick)
    console.log("Quick: few rounds and small cases, which show an order of magnitude; no document is written.\n");
  const texts = new Map<string, string>();
  for (const { name, title, measure } of parts) {
    if (effort.late()) {
      console.log(`## ${title}\n\nLeft out: no time.\n`);
      continue;
    }
    const text = `## ${title}\n\n${await measure(effort)}\n\n${facts()}`;
    console.log(`${text}\n`);
    texts.set(name, text);
    if (some && !effort.quick) replaceSection(name, text);
  }
  if (!some && !effort.quick) writeDocument(texts);
}
