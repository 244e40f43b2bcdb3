import { step, tensor, valueAndGrad, zeros, type Tensor } from "@gradus/core";
import * as nn from "@gradus/nn";
import { add, concat, matmul, mul, reshape, sigmoid, softmax, split, stack, sub, tanh, unstack } from "@gradus/ops";
import { sequenceLoss } from "@gradus/seq2seq";
import { mapEntries, type Arrays, type Values } from "../arrays.ts";
import { timed, type Prepare } from "../contender.ts";
import { LEARNING_RATE, type ParameterName } from "../model.ts";
import { products } from "./gradusProducts.ts";

type Params = Readonly<Record<ParameterName, Tensor>>;
type Batch = Readonly<Record<"source" | "input" | "target" | "weights", Tensor>>;
type Cell = (params: nn.GruParams, x: Tensor, h?: Tensor) => Tensor;
/** From one state [B, H] of the decoder and the memory [B, S, H], through a matrix, to the context [B, H]. */
type Attention = (params: nn.LuongAttentionParams, h: Tensor, memory: Tensor) => Tensor;

/** How the model is written: without a cell, by layers over whole sequences; without attention of one state, at once for all. */
interface Form {
  readonly cell?: Cell;
  readonly attention?: Attention;
}

const ofLayers: Attention = (params, h, memory) => {
  const [B, H] = h.shape as [number, number];
  return reshape(nn.luongAttention(params, reshape(h, [B, 1, H]), memory).context, [B, H]);
};

const cellOfOps: Cell = (params, x, h) => {
  const state = h ?? zeros([x.shape[0]!, params.weightHh.shape[1]!], { dtype: x.dtype as "float32" });
  const ofInput = nn.linear({ weight: params.weightIh, bias: params.biasIh }, x);
  const ofState = nn.linear({ weight: params.weightHh, bias: params.biasHh }, state);
  const [xr, xz, xn] = split(ofInput, { parts: 3, axis: 1 }) as [Tensor, Tensor, Tensor];
  const [hr, hz, hn] = split(ofState, { parts: 3, axis: 1 }) as [Tensor, Tensor, Tensor];
  const [r, z] = [sigmoid(add(xr, hr)), sigmoid(add(xz, hz))];
  const n = tanh(add(xn, mul(r, hn)));
  return add(n, mul(z, sub(state, n)));
};

const attentionOfOps: Attention = ({ weight }, h, memory) => {
  const [B, H] = h.shape as [number, number];
  const query = reshape(matmul(h, weight), [B, 1, H]);
  const weights = softmax(matmul(query, memory, { transposeB: true }));
  return reshape(matmul(weights, memory), [B, H]);
};

function loss(p: Params, { source, input, target, weights }: Batch, { cell, attention }: Form): Tensor {
  const gru = (name: "encoder" | "decoder"): nn.GruParams => ({
    weightIh: p[`${name}.weightIh`],
    weightHh: p[`${name}.weightHh`],
    biasIh: p[`${name}.biasIh`],
    biasHh: p[`${name}.biasHh`],
  });
  const ofAttention = { weight: p["attention.weight"] };
  const memory = statesOf(gru("encoder"), { embedding: { weight: p["source.weight"] }, ids: source }, cell);
  const shifted = { embedding: { weight: p["target.weight"] }, ids: input };
  let logits: Tensor;
  if (cell && attention) {
    const steps = overSteps(shifted, memory.last, (x, before) => {
      const h = cell(gru("decoder"), x, before);
      return { h, y: logitsOf(p, attention(ofAttention, h, memory.outputs), h) };
    });
    logits = steps.outputs;
  } else {
    const { outputs } = statesOf(gru("decoder"), shifted, cell, memory.last);
    logits = logitsOf(p, nn.luongAttention(ofAttention, outputs, memory.outputs).context, outputs);
  }
  return sequenceLoss(logits, target, weights);
}

type Embedded = { readonly embedding: nn.EmbeddingParams; readonly ids: Tensor };
type Outputs = { readonly outputs: Tensor; readonly last: Tensor };

function statesOf(params: nn.GruParams, xs: Embedded, cell?: Cell, h0?: Tensor): Outputs {
  if (!cell) return nn.gru(params, xs, h0);
  return overSteps(xs, h0, (x, before) => {
    const h = cell(params, x, before);
    return { h, y: h };
  });
}

/** The loop that a user writes who wants to do something in each step. */
function overSteps(
  { embedding, ids }: Embedded,
  h: Tensor | undefined,
  next: (x: Tensor, h?: Tensor) => { readonly h: Tensor; readonly y: Tensor },
): Outputs {
  const ys = unstack(nn.embedding(embedding, ids), { axis: 1 }).map((x) => {
    const after = next(x, h);
    h = after.h;
    return after.y;
  });
  return { outputs: stack(ys, { axis: 1 }), last: h! };
}

/** From contexts and states, of one step or of all. */
function logitsOf(p: Params, context: Tensor, h: Tensor): Tensor {
  const both = concat([context, h], { axis: -1 });
  const attentional = tanh(nn.linear({ weight: p["combine.weight"], bias: p["combine.bias"] }, both));
  return nn.linear({ weight: p["output.weight"], bias: p["output.bias"] }, attentional);
}

function tensors(inputs: Arrays): { params: Params; batch: Batch } {
  const { source, input, target, weights, ...parameters } = mapEntries(inputs, ({ shape, data }) =>
    tensor(data, { shape }),
  );
  return { params: parameters as Params, batch: { source, input, target, weights } as Batch };
}

interface Way {
  readonly form: Form;
  readonly inStep: boolean;
  readonly adam: boolean;
}
const composed: Form = { cell: nn.gruCell, attention: ofLayers };
const ways: Readonly<Record<string, Way>> = {
  fused: { form: {}, inStep: true, adam: true },
  composed: { form: composed, inStep: true, adam: true },
  "composed of ops": { form: { cell: cellOfOps, attention: attentionOfOps }, inStep: true, adam: true },
  "composed, attention at once": { form: { cell: nn.gruCell }, inStep: true, adam: true },
  "composed, outside step": { form: composed, inStep: false, adam: true },
  "fused, without Adam": { form: {}, inStep: true, adam: false },
};

/** The loss and the gradient of each parameter. */
function gradients(inputs: Arrays, { form }: Way): Arrays {
  const { params, batch } = tensors(inputs);
  const { value, grads } = step(() => valueAndGrad(loss)(params, batch, form));
  return mapEntries({ loss: value, ...grads }, ({ shape, data }): Values => ({ shape, data: data as Float32Array }));
}

/** An iteration of a training loop: batch and model as they come from the last one. */
function trainer(inputs: Arrays, { form, inStep, adam }: Way): () => void {
  const { params, batch } = tensors(inputs);
  const optimizer = nn.adam({ learningRate: LEARNING_RATE });
  let model = { params, state: optimizer.init(params) };
  const train = (): typeof model => {
    const { grads } = valueAndGrad(loss)(model.params, batch, form);
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
