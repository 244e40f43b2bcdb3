import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "g2p-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));
const model = join(folder, "model.safetensors");
const data = join(folder, "words.tsv");
const words = Array.from({ length: 400 }, (_, i) => i.toString(26).replaceAll(/\d/g, (d) => "qrstuvwxyz"[Number(d)]!));
writeFileSync(
  data,
  words.map((word) => `${word}\t${[...word].map((letter) => letter.toUpperCase()).join(" ")}\n`).join(""),
);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program; `onOutput` is called with all that it has printed so far. */
function g2p(args: readonly string[], onOutput?: (out: string, interrupt: () => void) => void): Promise<Ended> {
  const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
  const tsx = fileURLToPath(import.meta.resolve("tsx"));
  const child = spawn(process.execPath, ["--import", tsx, main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (text: Buffer) => {
    out += text.toString();
    onOutput?.(out, () => child.kill("SIGINT"));
  });
  child.stderr.on("data", (text: Buffer) => (err += text.toString()));
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

test("learns from a file, saves, evaluates and predicts", async () => {
  const demo = await g2p(["demo", "--data", data, "--model", model, "--steps", "30", "--seed", "2"]);
  expect(demo.err).toBe("");
  expect(demo.code).toBe(0);
  const last = demo.out.trimEnd().split("\n").at(-1)!;
  expect(last).toMatch(/^PER \d+\.\d % · WER \d+\.\d % on \d+ held-out words$/);
  const evaluated = await g2p(["evaluate", "--data", data, "--model", model]);
  expect(evaluated.out.trimEnd().split("\n").at(-1)).toBe(last);
  const predicted = await g2p(["predict", "--model", model, "Ab", "ba"]);
  expect(predicted.out).toMatch(/^Ab\t[A-Z ]*\nba\t[A-Z ]*\n$/);
  const unknown = await g2p(["predict", "--model", model, "naïve"]);
  expect(unknown).toMatchObject({ code: 1, out: "" });
  expect(unknown.err).toMatch(/^g2p: unknown symbol "ï"; want one of a b c/);
});

test("Ctrl-C ends it and leaves the old model whole", async () => {
  writeFileSync(join(folder, "old.safetensors"), "the old model");
  const args = ["train", "--data", data, "--model", join(folder, "old.safetensors"), "--steps", "100000"];
  const { code } = await g2p(args, (out, interrupt) => out.includes("training") && setTimeout(interrupt, 300));
  expect(code).toBe(130);
  expect(readFileSync(join(folder, "old.safetensors"), "utf8")).toBe("the old model");
  expect(readdirSync(folder).filter((name) => name.startsWith("old"))).toEqual(["old.safetensors"]);
});

test.each([
  [
    "a model that is not there",
    ["predict", "--model", join(folder, "none"), "word"],
    /^g2p: no model in .*none .*ENOENT/,
  ],
  ["a file that is no model", ["predict", "--model", data, "word"], /^g2p: no model in .*words.tsv/],
  ["a number of steps that is none", ["train", "--steps", "many"], /'many' is invalid. Give a whole number/],
  [
    "a folder that is not there",
    ["train", "--data", data, "--steps", "1", "--model", join(folder, "no", "m")],
    /ENOENT/,
  ],
  ["a command that is none", ["sing"], /unknown command 'sing'/],
] as const)("says what is wrong with %s", async (_, args, message) => {
  const { code, err } = await g2p(args);
  expect(code).toBe(1);
  expect(err).toMatch(message);
  expect(existsSync(join(folder, "no"))).toBe(false);
});
