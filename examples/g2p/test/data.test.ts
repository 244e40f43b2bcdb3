import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createRandom } from "@gradus/nn";
import { batches, part, readLexicon, toWords, vocabularies, vocabulary, type Lexicon } from "../src/data.ts";
import { END, START } from "../src/model.ts";

const folder = mkdtempSync(join(tmpdir(), "g2p-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

describe("the dictionary", async () => {
  const lexicon = await readLexicon();
  const said = (word: string): string[] | undefined => lexicon.get(word)?.map((phones) => phones.join(" "));

  test("has no stress, no comments, and alternatives under one word", () => {
    expect(said("read")).toEqual(["R EH D", "R IY D"]);
    expect(said("aalto")).toEqual(["AA L T OW"]);
    expect([...lexicon.values()].flat(2).every((phone) => /^[A-Z]+$/.test(phone))).toBe(true);
    expect([...lexicon.keys()].every((word) => /^[a-z']+$/.test(word))).toBe(true);
  });

  test("has the words that every object knows", () => {
    expect(said("constructor")).toEqual(["K AH N S T R AH K T ER"]);
    expect(said("tostring")).toBeUndefined();
  });

  test("is split by the letters alone: 2,000 words or more are held out", () => {
    const [training, heldOut] = [part(lexicon, "training"), part(lexicon, "held out")];
    expect(training.size + heldOut.size).toBe(lexicon.size);
    expect(heldOut.size).toBeGreaterThanOrEqual(2000);
    expect([...heldOut.keys()].some((word) => training.has(word))).toBe(false);
    const reversed: Lexicon = new Map([...lexicon].reverse());
    expect(new Set(part(reversed, "held out").keys())).toEqual(new Set(heldOut.keys()));
  });
});

describe("a file of one's own", () => {
  test("has a word and its phones on a line; a word may stand twice", async () => {
    const lexicon = await readLexicon(file("good.tsv", "Read\tR EH D\r\nread\tR IY D\nread\tR EH D\n\nox\tAA K S\n"));
    expect([...lexicon]).toEqual([
      [
        "read",
        [
          ["R", "EH", "D"],
          ["R", "IY", "D"],
        ],
      ],
      ["ox", [["AA", "K", "S"]]],
    ]);
  });

  test.each([
    ["no tab", "read R EH D\n", /line 1 of .*no tab.tsv is malformed; got line read R EH D; want WORD<tab>P H O N E S/],
    ["no phones", "ox\tAA K S\nread\t\n", /line 2 of .*no phones.tsv is malformed/],
    ["a third field", "read\tR EH D\t0.5\n", /line 1 of .*a third field.tsv is malformed/],
    ["nothing", "\n\n", /nothing.tsv is empty/],
  ])("is refused by name: %s", async (name, text, message) => {
    await expect(readLexicon(file(`${name}.tsv`, text))).rejects.toThrow(message);
  });

  test("is refused by name if it is not there, and if it leaves nothing to learn from or to test on", async () => {
    await expect(readLexicon(join(folder, "none.tsv"))).rejects.toThrow(/cannot read .*none.tsv .*ENOENT/);
    const one = await readLexicon(file("one.tsv", "a\tAH\n"));
    expect(() => part(one, "held out")).toThrow("g2p: no word is held out; want more words");
  });
});

describe("batches", () => {
  const lexicon: Lexicon = new Map([
    ["ox", [["AA", "K", "S"]]],
    [
      "read",
      [
        ["R", "EH", "D"],
        ["R", "IY", "D"],
      ],
    ],
    ["a", [["AH"]]],
  ]);
  const ids = vocabularies([...lexicon.keys()].join(""), [...lexicon.values()].flat(2));

  test("hold every pronunciation once an epoch, padded, with START before and END behind", () => {
    const source = batches(lexicon, ids, 3, createRandom(7));
    const epoch = [source.next().value, source.next().value];
    const spoken = epoch.flatMap(({ targets }) =>
      targets.map((row) => ids.phones.decode(row.filter((id) => id > END))),
    );
    expect(spoken.sort()).toEqual(["AA K S", "AH", "R EH D", "R IY D"]);
    for (const { inputs, targets, letters, lengths } of epoch) {
      expect(inputs.every((row, b) => row[0] === START && row.length === targets[b]!.length)).toBe(true);
      expect(targets.every((row) => row.filter((id) => id === END).length === 1)).toBe(true);
      expect(letters.map((row) => row.filter((id) => id > 0).length)).toEqual(lengths);
    }
  });

  test("come in the same order for the same seed", () => {
    const first = (seed: number): unknown => batches(lexicon, ids, 1, createRandom(seed)).next().value;
    expect(first(3)).toEqual(first(3));
  });
});

test("a vocabulary names what it does not know, and an empty word is refused", () => {
  const ids = vocabularies("ab", ["AH"]);
  expect(vocabulary("ba", 1).encode("ab")).toEqual([1, 2]);
  expect(() => toWords(["aé"], ids)).toThrow('g2p: unknown symbol "é"; want one of a b');
  expect(() => toWords(["a", ""], ids)).toThrow("g2p: an empty word; want letters");
});
