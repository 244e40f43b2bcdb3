/**
 * Lesson 1: the loss of a padded batch. Run it with `npx -y pnpm@10 lesson`.
 *
 * A model that writes words is asked, at each place of each word, which symbol comes next. It answers with a logit for
 * each symbol. How wrong is it, and which way should each logit move? First by hand, then by `sequenceLoss` and `grad`,
 * and at the end as a picture.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { grad, tensor } from "@gradus/core";
import { notEqual } from "@gradus/ops";
import { sequenceLoss } from "@gradus/seq2seq";
import { heatMap, inColour } from "./heatMap.ts";

// 1. The batch. Two words of 3 symbols and of 1, "cab" and "a", over the alphabet _ a b c. To make a rectangle of them the
// shorter one is padded with _, which is no symbol of the word: what the model says there must not count.
const alphabet = ["_", "a", "b", "c"];
const PAD = 0;
const targets = [
  [3, 1, 2],
  [1, PAD, PAD],
];
const scores = [
  [
    [0, 0, 0, 2], // sure of c, and right
    [0, 1, 1, 0], // a or b?
    [0, 3, 0, 0], // sure of a, and wrong
  ],
  [
    [0, 0, 0, 0], // no idea
    [5, 1, 2, 3], // padding: what stands here
    [9, 9, 9, 9], // and here is chance
  ],
];

// 2. The loss by hand. Softmax makes probabilities of a row of logits; the loss of a row is −log of the probability that
// the right symbol got; the loss of the batch is the mean over the places that are not padding.
const softmax = (row: number[]): number[] => {
  const powers = row.map((logit) => Math.exp(logit));
  const total = powers.reduce((sum, power) => sum + power);
  return powers.map((power) => power / total);
};
let [total, places] = [0, 0];
for (const [b, word] of targets.entries()) {
  for (const [t, target] of word.entries()) {
    if (target === PAD) continue;
    const loss = -Math.log(softmax(scores[b]![t]!)[target]!);
    console.log(`word ${b}, place ${t}: ${alphabet[target]} costs ${loss.toFixed(4)}`);
    total += loss;
    places++;
  }
}
const byHand = total / places;
console.log(`by hand        ${byHand.toFixed(4)} = ${total.toFixed(4)} / ${places}`);
assert.equal(byHand.toFixed(4), "1.4682");

// 3. The same by `sequenceLoss`: weights of 1 where a symbol is, of 0 where padding is.
const logits = tensor(scores, { requiresGrad: true, name: "logits" });
const loss = sequenceLoss(logits, targets, notEqual(tensor(targets, { dtype: "int32" }), PAD));
console.log(`sequenceLoss   ${loss.item().toFixed(4)}`);
assert.ok(Math.abs(loss.item() - byHand) < 1e-6);

// 4. Which way should each logit move? The slope of −log softmax(x)[y] in x is softmax(x) − onehot(y): the probability that
// each symbol got, minus 1 for the right one. In the mean it counts one part in `places`; padding has none.
const slopes = scores.map((word, b) =>
  word.map((row, t) => {
    const target = targets[b]![t]!;
    return softmax(row).map((p, v) => (target === PAD ? 0 : (p - (v === target ? 1 : 0)) / places));
  }),
);
const [gradient] = grad(loss, [logits]);
const computed = [...gradient.data];
slopes.flat(2).forEach((slope, i) => assert.ok(Math.abs(computed[i]! - slope) < 1e-7));
for (let row = 0; row < 6; row++) {
  const sum = computed.slice(4 * row, 4 * row + 4).reduce((sum, slope) => sum + slope, 0);
  assert.ok(Math.abs(sum) < 1e-7); // a row's slopes add up to 0: what one symbol gains, others lose
}

// 5. The picture: a row for each place, a column for each symbol. Where the slope is positive a step downhill lowers the
// logit; where it is negative, it raises it. "Sure and wrong" is pushed hardest, "sure and right" hardly, padding not at all.
const rows = targets.flatMap((word) => word.map((target) => alphabet[target]!));
console.log(`\nd loss / d logits\n${inColour(computed, rows, alphabet)}`);
const picture = new URL("01-sequence-loss.svg", import.meta.url);
writeFileSync(picture, heatMap(computed, rows, alphabet));

// 6. What stands in padding changes nothing, be it NaN.
const spoilt = tensor(
  scores.map((word, b) => word.map((row, t) => (targets[b]![t] === PAD ? [NaN, Infinity, 0, 0] : row))),
  { requiresGrad: true },
);
const again = sequenceLoss(spoilt, targets, notEqual(tensor(targets, { dtype: "int32" }), PAD));
assert.equal(again.item(), loss.item());
assert.deepEqual([...grad(again, [spoilt])[0].data], computed);
console.log("NaN in the padding: the same loss, the same gradient.");
