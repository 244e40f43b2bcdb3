import { readFile } from "node:fs/promises";
import { ValueError, type Random } from "@gradus/core";
import { shuffle } from "@gradus/nn";
import { END, PAD, START, type Batch, type Words } from "./model.ts";

/** Every word with its pronunciations, each a list of phones. */
export type Lexicon = ReadonlyMap<string, readonly (readonly string[])[]>;

/** The CMU pronouncing dictionary without stress, or a file of `WORD<tab>P H O N E S` lines. */
export async function readLexicon(file?: string): Promise<Lexicon> {
  const lexicon = new Map<string, string[][]>();
  const put = (word: string, phones: string[]): void => {
    const known = lexicon.get(word) ?? [];
    if (!known.some((other) => other.join(" ") === phones.join(" "))) lexicon.set(word, [...known, phones]);
  };
  if (file === undefined) {
    const { dictionary } = await import("cmu-pronouncing-dictionary"); // large: only where it is needed
    for (const [key, value] of Object.entries(dictionary)) {
      const word = key.replace(/\(\d+\)$/, ""); // "read(2)" is another pronunciation of "read"
      const phones = value.replace(/\s*#.*$/, "").replaceAll(/\d/g, ""); // "AO1 L T OW2 # name, finnish"
      if (/^[a-z']+$/.test(word)) put(word, phones.split(" "));
    }
    return lexicon;
  }
  const text = await readFile(file, "utf8").catch((error) => {
    throw new ValueError("g2p", `cannot read ${file} (${String(error)})`);
  });
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const [word, phones, ...more] = line.split("\t").map((field) => field.trim());
    if (!word || !phones || more.length > 0) {
      throw new ValueError("g2p", `line ${i + 1} of ${file} is malformed`, { line }, "WORD<tab>P H O N E S");
    }
    put(word.toLowerCase(), phones.split(/\s+/));
  }
  if (lexicon.size > 0) return lexicon;
  throw new ValueError("g2p", `${file} is empty`, {}, "lines of WORD<tab>P H O N E S");
}

/** The words to learn from or those held out: by a hash of the letters (FNV-1a), so that no seed moves a word. */
export function part(lexicon: Lexicon, which: "training" | "held out"): Lexicon {
  const isHeldOut = (word: string): boolean => {
    let hash = 0x811c9dc5;
    for (const byte of Buffer.from(word)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    return hash % 60 === 0;
  };
  const words = [...lexicon].filter(([word]) => isHeldOut(word) === (which === "held out"));
  if (words.length > 0) return new Map(words);
  throw new ValueError("g2p", `no word is ${which === "held out" ? which : "left to learn from"}`, {}, "more words");
}

/** Symbols by id, after those that are reserved: padding, and where phones begin and end. */
export function vocabulary(given: Iterable<string>, reserved: number) {
  const symbols = [...new Set(given)].sort();
  const encode = (word: Iterable<string>): number[] =>
    [...word].map((symbol) => {
      const i = symbols.indexOf(symbol);
      if (i >= 0) return i + reserved;
      throw new ValueError("g2p", `unknown symbol "${symbol}"`, {}, `one of ${symbols.join(" ")}`);
    });
  const decode = (ids: readonly number[]): string => ids.map((id) => symbols[id - reserved] ?? "?").join(" ");
  return { symbols, encode, decode };
}
export type Vocabularies = Readonly<Record<"letters" | "phones", ReturnType<typeof vocabulary>>>;
export const vocabularies = (letters: Iterable<string>, phones: Iterable<string>): Vocabularies => ({
  letters: vocabulary(letters, 1),
  phones: vocabulary(phones, 3),
});

export function toWords(words: readonly string[], { letters }: Vocabularies): Words {
  if (words.includes("")) throw new ValueError("g2p", "an empty word", {}, "letters");
  const rows = words.map((word) => letters.encode(word.toLowerCase()));
  return { letters: padded(rows), lengths: rows.map((row) => row.length) };
}

function padded(rows: readonly (readonly number[])[]): number[][] {
  const length = Math.max(...rows.map((row) => row.length));
  return rows.map((row) => [...row, ...new Array<number>(length - row.length).fill(PAD)]);
}

/** Batches without end, in random order; words of like lengths stand together, so that little is padding. */
export function* batches(lexicon: Lexicon, ids: Vocabularies, size: number, random: Random): Generator<Batch, never> {
  const pairs = [...lexicon].flatMap(([word, known]) => known.map((phones) => ({ word, phones })));
  for (;;) {
    const order = shuffle(pairs, random);
    order.sort((a, b) => a.word.length - b.word.length || a.phones.length - b.phones.length);
    const starts = Array.from({ length: Math.ceil(order.length / size) }, (_, i) => i * size);
    for (const start of shuffle(starts, random)) {
      const group = order.slice(start, start + size);
      const phones = group.map((pair) => ids.phones.encode(pair.phones));
      const inputs = padded(phones.map((row) => [START, ...row]));
      const targets = padded(phones.map((row) => [...row, END]));
      yield {
        ...toWords(
          group.map((pair) => pair.word),
          ids,
        ),
        inputs,
        targets,
      };
    }
  }
}
