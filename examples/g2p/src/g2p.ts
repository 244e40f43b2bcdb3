import { renameSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { ValueError } from "@gradus/core";
import { createRandom, decodeSafetensors, encodeSafetensors, loadParams } from "@gradus/nn";
import { part, readLexicon, toWords, vocabularies, type Lexicon, type Vocabularies } from "./data.ts";
import { createParams, pronounce, type Params, type Sizes } from "./model.ts";
import { evaluate, train } from "./train.ts";

type Model = Vocabularies & { readonly sizes: Sizes; readonly params: Params };

/** Writes beside the file, syncs and renames: whatever happens, the file is the old model or the new one, whole. */
function save(file: string, { params, sizes, letters, phones }: Model): void {
  const g2p = JSON.stringify({ sizes, letters: letters.symbols, phones: phones.symbols });
  const temporary = `${file}.tmp`;
  try {
    writeFileSync(temporary, encodeSafetensors(params, { g2p }), { flush: true });
    renameSync(temporary, file);
  } catch (error) {
    throw new ValueError("g2p", `cannot save to ${file} (${String(error)})`);
  } finally {
    rmSync(temporary, { force: true });
  }
  console.log(`saved to ${file}`);
}

async function load(file: string): Promise<Model> {
  try {
    const { tensors, metadata } = decodeSafetensors(await readFile(file));
    const saved = JSON.parse(metadata.g2p ?? "") as { sizes: Sizes; letters: string[]; phones: string[] };
    const params = loadParams(createParams(saved.sizes, createRandom(0)), tensors);
    return { ...vocabularies(saved.letters, saved.phones), sizes: saved.sizes, params };
  } catch (error) {
    throw new ValueError("g2p", `no model in ${file} (${String(error)})`, {}, "a file that this program saved");
  }
}

export type Options = Readonly<{ seed: number; steps: number; model: string; data?: string }>;

export async function learn({ seed, steps, model: file, data }: Options): Promise<[Model, Lexicon]> {
  const lexicon = await readLexicon(data);
  const training = part(lexicon, "training");
  const ids = vocabularies([...lexicon.keys()].join(""), [...lexicon.values()].flat(2));
  console.log(`${training.size} words to learn from, ${lexicon.size - training.size} held out`);
  const random = createRandom(seed);
  const [letters, phones] = [ids.letters.symbols.length + 1, ids.phones.symbols.length + 3];
  const sizes = { letters, phones, width: 64, hidden: 128 };
  const model = { ...ids, sizes, params: await train(createParams(sizes, random), training, ids, steps, random) };
  save(file, model);
  return [model, lexicon];
}

export async function report(model: Model, lexicon: Lexicon): Promise<void> {
  const heldOut = part(lexicon, "held out");
  const { per, wer, said } = await evaluate(model.params, heldOut, model);
  const every = Math.ceil(heldOut.size / 10);
  for (const [word, known] of [...heldOut].filter((_, i) => i % every === 0)) {
    const right = known.map((phones) => phones.join(" "));
    const mark = right.includes(said.get(word)!) ? "✓" : "✗";
    console.log(`${mark} ${word.padEnd(16)} ${said.get(word)!.padEnd(36)} ${right.join(" | ")}`);
  }
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  console.log(`PER ${percent(per)} · WER ${percent(wer)} on ${heldOut.size} held-out words`);
}

export async function evaluateSaved(file: string, data?: string): Promise<void> {
  await report(await load(file), await readLexicon(data));
}

export async function predict(words: readonly string[], file: string): Promise<void> {
  const model = await load(file);
  const said = pronounce(model.params, toWords(words, model));
  said.forEach((phones, i) => console.log(`${words[i]}\t${model.phones.decode(phones)}`));
}
