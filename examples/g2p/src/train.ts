import { setImmediate } from "node:timers/promises";
import { SingleBar } from "cli-progress";
import { distance } from "fastest-levenshtein";
import { step, valueAndGrad, type Random } from "@gradus/core";
import { adam, clipByGlobalNorm } from "@gradus/nn";
import { batches, toWords, type Lexicon, type Vocabularies } from "./data.ts";
import { loss, pronounce, type Params } from "./model.ts";

const LEARNING_RATE = 4e-3;

/** A live line in a terminal, plain lines elsewhere. */
const line = {
  stream: process.stdout,
  hideCursor: true,
  gracefulExit: false,
  noTTYOutput: true,
  notTTYSchedule: 10_000,
};

/** Trains for a number of steps, while the learning rate falls to 0 in a line. */
export async function train(start: Params, data: Lexicon, ids: Vocabularies, steps: number, random: Random) {
  const source = batches(data, ids, 64, random);
  const optimizer = adam({ learningRate: LEARNING_RATE });
  let [params, state, average] = [start, optimizer.init(start), 0];
  const bar = new SingleBar({
    ...line,
    format: "training   {bar} {value}/{total} · loss {loss} · {eta_formatted} left",
  });
  bar.start(steps, 0, { loss: "…" });
  for (let i = 0; i < steps; i++) {
    const batch = source.next().value;
    const learningRate = LEARNING_RATE * (1 - i / steps);
    const { value, ...updated } = step(() => {
      const { value, grads } = valueAndGrad(loss)(params, batch);
      return { value, ...optimizer.update(clipByGlobalNorm(grads, 1).grads, state, params, { learningRate }) };
    });
    ({ params, state } = updated);
    average += (value.item() - average) * Math.max(0.02, 1 / (i + 1));
    bar.update(i + 1, { loss: average.toFixed(3) });
    await setImmediate(); // lets the line be drawn and Ctrl-C be heard
  }
  bar.stop();
  return params;
}

/**
 * PER, edits to the nearest of a word's pronunciations over the length of those; WER, the share of words that match none;
 * and what was said.
 */
export async function evaluate(params: Params, data: Lexicon, ids: Vocabularies) {
  const said = new Map<string, string>();
  const asText = (phones: readonly number[]): string => String.fromCodePoint(...phones); // a character a phone
  const words = [...data.keys()].sort((a, b) => a.length - b.length);
  let [edits, length, wrong] = [0, 0, 0];
  const bar = new SingleBar({ ...line, format: "evaluating {bar} {value}/{total} words" });
  bar.start(words.length, 0);
  for (let i = 0; i < words.length; i += 128) {
    const group = words.slice(i, i + 128);
    for (const [j, phones] of pronounce(params, toWords(group, ids)).entries()) {
      const known = data.get(group[j]!)!.map((right) => {
        return { edits: distance(asText(ids.phones.encode(right)), asText(phones)), length: right.length };
      });
      const nearest = known.reduce((best, other) => (other.edits < best.edits ? other : best));
      edits += nearest.edits;
      length += nearest.length;
      wrong += nearest.edits > 0 ? 1 : 0;
      said.set(group[j]!, ids.phones.decode(phones));
    }
    bar.update(said.size);
    await setImmediate();
  }
  bar.stop();
  return { per: edits / length, wer: wrong / words.length, said };
}
