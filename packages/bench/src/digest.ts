import { step, tensor, valueAndGrad, type Tensor } from "@gradus/core";
import * as nn from "@gradus/nn";
import * as ops from "@gradus/ops";
import { linearSequenceLoss, sequenceLoss } from "@gradus/seq2seq";

const { exp, expm1, log, log1p, sqrt, rsqrt, sin, cos, tanh, sigmoid, erf, gelu, silu, softplus, pow, abs } = ops;
const functions = [exp, expm1, sqrt, sin, cos, tanh, sigmoid, erf, gelu, silu, softplus];
const ofPositives = [log, log1p, rsqrt, (x: Tensor) => pow(x, 1.7)];

/** The bits of what functions give and of a model after some training steps, as a number in hexadecimal. */
export function digest(inside: boolean): string {
  const run = <R>(fn: () => R): R => (inside ? step(fn) : fn());
  const random = nn.createRandom(11);
  const seen: Tensor[] = [];
  for (const dtype of ["float32", "float64"] as const) {
    const values = Float64Array.from({ length: 1000 }, () => 40 * random.next() - 20);
    const x = tensor(values, { dtype });
    seen.push(...run(() => [...functions.map((f) => f(x)), ...ofPositives.map((f) => f(abs(x)))]));
  }
  const optimizer = nn.adam({ learningRate: 0.01 });
  const [V, E, H, B, T] = [20, 12, 18, 9, 7];
  const params = {
    embedding: nn.createEmbedding({ size: V, width: E, random }),
    gru: nn.createGru({ inputSize: E, hiddenSize: H, random }),
    lstm: nn.createLstm({ inputSize: H, hiddenSize: H, random }),
    attention: nn.createLuongAttention({ querySize: H, memorySize: H, random }),
    output: nn.createLinear({ inputSize: 2 * H, outputSize: V, random }),
  };
  let model = { params, state: optimizer.init(params) };
  for (let i = 0; i < 20; i++) {
    const ids = Array.from({ length: B }, () => Array.from({ length: T }, () => nn.integer(random, V)));
    const lengths = Array.from({ length: B }, () => 1 + nn.integer(random, T));
    model = run(() => {
      const { grads } = valueAndGrad(loss)(model.params, ids, lengths);
      return optimizer.update(nn.clipByGlobalNorm(grads, 1).grads, model.state, model.params);
    });
  }
  const { embedding, gru, lstm, attention, output } = model.params;
  for (const part of [embedding, gru, lstm, attention, output]) seen.push(...Object.values(part));
  return hash(seen);

  function loss(p: typeof params, ids: number[][], lengths: number[]): Tensor {
    const { outputs } = nn.gru(p.gru, { embedding: p.embedding, ids }, undefined, { lengths });
    const deeper = nn.lstm(p.lstm, ops.layerNorm(outputs), undefined, { lengths }).outputs;
    const { context } = nn.luongAttention(p.attention, deeper, outputs, { lengths });
    const hidden = ops.concat([context, deeper], { axis: -1 });
    const { weight, bias } = p.output;
    const options = { labelSmoothing: 0.1, zLoss: 0.01 };
    const weights = lengths.map((length) => Array.from({ length: T }, (_, t) => (t < length ? 1 : 0)));
    const plain = sequenceLoss(nn.linear(p.output, hidden), ids, weights, options);
    const [first] = ops.unstack(nn.embedding(p.embedding, ids), { axis: 1 }) as [Tensor];
    const query = ops.reshape(nn.gruCell(p.gru, first), [B, 1, H]);
    const ofOneStep = ops.mean(nn.luongAttention(p.attention, query, outputs, { lengths }).context);
    return ops.add(ops.add(plain, ofOneStep), linearSequenceLoss(hidden, weight, bias, ids, weights));
  }
}

/** FNV-1a over the bytes, in 64 bits. */
function hash(tensors: readonly Tensor[]): string {
  let state = 0xcbf29ce484222325n;
  for (const { data } of tensors) {
    for (const byte of new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) {
      state = ((state ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
    }
  }
  return state.toString(16).padStart(16, "0");
}
