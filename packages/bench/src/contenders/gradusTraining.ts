import { step, tensor, valueAndGrad, type Tensor } from "@gradus/core";
import * as nn from "@gradus/nn";
import { concat, stack, tanh, unstack } from "@gradus/ops";
import { sequenceLoss } from "@gradus/seq2seq";
import { mapEntries, type Arrays, type Values } from "../arrays.ts";
import { timed, type Prepare } from "../contender.ts";
import { LEARNING_RATE, type ParameterName } from "../model.ts";
import { products } from "./gradusProducts.ts";

type Params = Readonly<Record<ParameterName, Tensor>>;
type Batch = Readonly<Record<"source" | "input" | "target" | "weights", Tensor>>;
type Embedded = { readonly embedding: nn.EmbeddingParams; readonly ids: Tensor };
type Recurrence = (params: nn.GruParams, xs: Embedded, h0?: Tensor) => { outputs: Tensor; last: Tensor };

const fused: Recurrence = (params, xs, h0) => nn.gru(params, xs, h0);

/** What a user writes who wants to do something between two steps. */
const composed: Recurrence = (params, { embedding, ids }, h0) => {
  const xs = nn.embedding(embedding, ids);
  let h = h0;
  const states = unstack(xs, { axis: 1 }).map((x) => (h = nn.gruCell(params, x, h)));
  return { outputs: stack(states, { axis: 1 }), last: states.at(-1)! };
};

function loss(p: Params, { source, input, target, weights }: Batch, recurrence: Recurrence): Tensor {
  const gru = (name: "encoder" | "decoder"): nn.GruParams => ({
    weightIh: p[`${name}.weightIh`],
    weightHh: p[`${name}.weightHh`],
    biasIh: p[`${name}.biasIh`],
    biasHh: p[`${name}.biasHh`],
  });
  const memory = recurrence(gru("encoder"), { embedding: { weight: p["source.weight"] }, ids: source });
  const shifted = { embedding: { weight: p["target.weight"] }, ids: input };
  const { outputs } = recurrence(gru("decoder"), shifted, memory.last);
  const { context } = nn.luongAttention({ weight: p["attention.weight"] }, outputs, memory.outputs);
  const both = concat([context, outputs], { axis: -1 });
  const attentional = tanh(nn.linear({ weight: p["combine.weight"], bias: p["combine.bias"] }, both));
  const logits = nn.linear({ weight: p["output.weight"], bias: p["output.bias"] }, attentional);
  return sequenceLoss(logits, target, weights);
}

function tensors(inputs: Arrays): { params: Params; batch: Batch } {
  const { source, input, target, weights, ...parameters } = mapEntries(inputs, ({ shape, data }) =>
    tensor(data, { shape }),
  );
  return { params: parameters as Params, batch: { source, input, target, weights } as Batch };
}

/** How a training step is written. */
interface Way {
  readonly recurrence: Recurrence;
  readonly inStep: boolean;
  readonly adam: boolean;
}
const ways: Readonly<Record<string, Way>> = {
  fused: { recurrence: fused, inStep: true, adam: true },
  composed: { recurrence: composed, inStep: true, adam: true },
  "fused, without Adam": { recurrence: fused, inStep: true, adam: false },
  "composed, outside step": { recurrence: composed, inStep: false, adam: true },
};

/** The loss and the gradient of each parameter. */
function gradients(inputs: Arrays, { recurrence }: Way): Arrays {
  const { params, batch } = tensors(inputs);
  const { value, grads } = step(() => valueAndGrad(loss)(params, batch, recurrence));
  return mapEntries({ loss: value, ...grads }, ({ shape, data }): Values => ({ shape, data: data as Float32Array }));
}

/** An iteration of a training loop: batch and model as they come from the last one. */
function trainer(inputs: Arrays, { recurrence, inStep, adam }: Way): () => void {
  const { params, batch } = tensors(inputs);
  const optimizer = nn.adam({ learningRate: LEARNING_RATE });
  let model = { params, state: optimizer.init(params) };
  const train = (): typeof model => {
    const { grads } = valueAndGrad(loss)(model.params, batch, recurrence);
    return adam ? optimizer.update(grads, model.state, model.params, { donate: true }) : model;
  };
  return () => {
    model = inStep ? step(train) : train();
  };
}

export const training =
  (variant: string): Prepare =>
  (inputs, settings) => {
    if (variant === "products alone") return products(inputs, settings);
    const way = ways[variant]!;
    const train = trainer(inputs, way);
    return { time: (times) => timed(times, train), read: () => gradients(inputs, way) };
  };
