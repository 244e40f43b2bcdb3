import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contendersFolder, digestBundle } from "../paths.ts";
import { table } from "../report.ts";

const call = "JSON.stringify([digest(true), digest(false)])";

/** The same program in several engines: its bits must be equal. */
export function bits(): string {
  const engines = [inNode("this Node", process.execPath), ...["22", "24"].map(otherNode), inChromium()];
  const rows = engines.map(({ engine, found, why }) => [engine, ...(found ?? [why, ""])]);
  const digests = new Set(engines.flatMap(({ found }) => found ?? []));
  const ran = engines.filter(({ found }) => found);
  const names = ran.map(({ engine }) => engine).join(", ");
  const bar = [`equal bits in ${names}, in and out of step`, digests.size === 1 ? "kept" : "missed", ""];
  return [
    "A digest of the results of elementwise functions and of a model after 20 training steps.",
    table(["engine", "inside step", "outside"], rows),
    table(["bar", "", ""], [bar]),
  ].join("\n\n");
}

interface Engine {
  readonly engine: string;
  readonly found: readonly string[] | null;
  readonly why: string;
}

function inNode(name: string, binary: string): Engine {
  const script = `const { digest } = await import(${JSON.stringify(digestBundle)}); console.log(process.version, ${call});`;
  const { stdout, stderr } = spawnSync(binary, ["--input-type=module", "-e", script], { encoding: "utf8" });
  const answer = /^(v\S+) (\[.*\])$/m.exec(stdout);
  if (!answer) return { engine: name, found: null, why: `failed: ${stderr.trim().split("\n").at(-1)}` };
  return { engine: `Node ${answer[1]}`, found: JSON.parse(answer[2]!) as string[], why: "" };
}

function otherNode(major: string): Engine {
  const binary = join(contendersFolder, `node_modules/node-${major}/bin/node`);
  if (existsSync(binary)) return inNode(`Node ${major}`, binary);
  return { engine: `Node ${major}`, found: null, why: "absent" };
}

/** In a page of its own, whose text is the answer. */
function inChromium(): Engine {
  const folder = mkdtempSync(join(tmpdir(), "gradus-bench-"));
  try {
    const page = join(folder, "page.html");
    const code = readFileSync(digestBundle, "utf8").replace(/export\s*\{[^}]*\};?\s*$/u, "");
    writeFileSync(
      page,
      `<pre></pre><script type="module">${code}\ndocument.querySelector("pre").append(${call});</script>`,
    );
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"];
    const profile = `--user-data-dir=${join(folder, "profile")}`;
    for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
      const options = { encoding: "utf8", timeout: 60_000 } as const;
      const version = /[\d.]+/.exec(spawnSync(name, ["--version"], options).stdout ?? "")?.[0];
      if (version === undefined) continue;
      const { stdout } = spawnSync(
        name,
        [...flags, profile, "--virtual-time-budget=60000", "--dump-dom", `file://${page}`],
        options,
      );
      const answer = /<pre>(\[.*?\])<\/pre>/.exec(stdout);
      const found = answer ? (JSON.parse(answer[1]!.replaceAll("&quot;", '"')) as string[]) : null;
      return { engine: `Chromium ${version}`, found, why: "failed: no answer" };
    }
    return { engine: "Chromium", found: null, why: "absent" };
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
