import { noGrad, step, tensor, type Random, type Tensor } from "@gradus/core";
import * as nn from "@gradus/nn";
import { concat, expandDims, notEqual, squeeze, tanh } from "@gradus/ops";
import { greedyDecode, sequenceLoss } from "@gradus/seq2seq";

export const [PAD, START, END] = [0, 1, 2];

export type Sizes = Readonly<Record<"letters" | "phones" | "width" | "hidden", number>>;

/** The parameters of an encoder-decoder with attention, as a record of records. */
export const createParams = ({ letters, phones, width, hidden }: Sizes, random: Random) => ({
  letters: nn.createEmbedding({ size: letters, width, random }),
  encoder: nn.createGru({ inputSize: width, hiddenSize: hidden, random }),
  phones: nn.createEmbedding({ size: phones, width, random }),
  decoder: nn.createGru({ inputSize: width, hiddenSize: hidden, random }),
  attention: nn.createLuongAttention({ querySize: hidden, memorySize: hidden, random }),
  combine: nn.createLinear({ inputSize: 2 * hidden, outputSize: hidden, random }),
  output: nn.createLinear({ inputSize: hidden, outputSize: phones, random }),
});
export type Params = ReturnType<typeof createParams>;

type Ids = readonly (readonly number[])[];
/** Words as rows of letter ids, padded. */
export type Words = { readonly letters: Ids; readonly lengths: readonly number[] };
/** Words with a pronunciation: what the decoder reads begins with START, what it is to say ends with END. */
export type Batch = Words & { readonly inputs: Ids; readonly targets: Ids };

const encode = (params: Params, { letters, lengths }: Words) =>
  nn.gru(params.encoder, { embedding: params.letters, ids: letters }, undefined, { lengths });

/** Logits [B, T, phones] after each of the phones read, [B, T], and the decoder's last state. */
function decode(params: Params, phones: Tensor | Ids, state: Tensor, memory: Tensor, { lengths }: Words) {
  const { outputs, last } = nn.gru(params.decoder, { embedding: params.phones, ids: phones }, state);
  const { context } = nn.luongAttention(params.attention, outputs, memory, { lengths });
  const attentional = tanh(nn.linear(params.combine, concat([context, outputs], { axis: -1 })));
  return { logits: nn.linear(params.output, attentional), state: last };
}

/** Mean cross-entropy of a phone, padding left out. */
export function loss(params: Params, batch: Batch): Tensor {
  const { outputs, last } = encode(params, batch);
  const { logits } = decode(params, batch.inputs, last, outputs, batch);
  const targets = tensor(batch.targets, { dtype: "int32" });
  return sequenceLoss(logits, targets, notEqual(targets, PAD));
}

/** The phones of each word: at each place the likeliest after those before it. */
export function pronounce(params: Params, words: Words): number[][] {
  const { outputs, last } = step(() => noGrad(() => encode(params, words)));
  const next = (phone: Tensor, state: Tensor) => {
    const decoded = decode(params, expandDims(phone, { axis: 1 }), state, outputs, words);
    return { ...decoded, logits: squeeze(decoded.logits, { axis: 1 }) };
  };
  return greedyDecode(next, last, { batchSize: words.lengths.length, startId: START, endId: END, maxLength: 40 }).ids;
}
