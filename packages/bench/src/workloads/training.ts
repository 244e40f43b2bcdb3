import { LEARNING_RATE, modelInputs } from "../model.ts";
import { composedInFloat64 } from "../reference.ts";
import { faster, within, type Case, type Workload } from "../workload.ts";

const [short, long] = ["12 + 12", "50 + 50"];
const composed = ["gradus/composed", "gradus/composed of ops", "gradus/composed, attention at once"];
const loops = ["", ", memory kept", ", attention at once"].map((setting) => `pytorch/GRUCell loop${setting}`);
const others = ["tfjs/wasm", "jax/jit", "pytorch/GRU", "pytorch/GRU, all threads", ...loops];

export const training: Workload = {
  name: "training",
  title: "Training step",
  about:
    "GRU encoder-decoder with Luong attention: E 64, H 128, V 64, batch 64; forward, backward and Adam. `fused` is " +
    "made of the library's layers over whole sequences. `composed` is the loop that a user writes: a GRU cell a step, and in " +
    "the decoder attention, tanh layer and logits of that step; PyTorch's GRUCell loop is the same, once with a malloc told " +
    "to keep its memory. Cell and attention `of ops` are written out in matrix products, sigmoids and the like; with " +
    "`attention at once` the loop makes nothing but states. `products alone` are the step's matrix products and nothing " +
    "else. Gradients are compared with the composed form in float64.",
  contenders: [
    "gradus/fused",
    ...composed,
    "gradus/products alone",
    "gradus/fused, without Adam",
    "gradus/composed, outside step",
    ...others,
  ],
  unranked: ["gradus/products alone", "gradus/fused, without Adam"],
  cases: [test(short, 12), { ...test(long, 50), slow: true, contenders: ["gradus/fused", ...composed, ...others] }],
  bars: [
    faster("gradus/fused", "jax/jit", 4),
    faster("gradus/fused", "tfjs/wasm", 10),
    within("gradus/fused", "pytorch/GRU", 1.2),
    within("gradus/composed", "pytorch/GRUCell loop", 1.1),
    within("gradus/composed of ops", "pytorch/GRUCell loop", 1.1),
    within("gradus/composed", "pytorch/GRUCell loop, memory kept", 1.1),
    within("gradus/composed, attention at once", "pytorch/GRUCell loop, attention at once", 1.1),
    {
      says: `${long} of gradus/fused takes ≤ 4.6 × the time of ${short}`,
      ratio: (time) => time("gradus/fused") / time("gradus/fused", short),
      atMost: 4.6,
      cases: [long],
    },
  ],
};

function test(name: string, T: number): Case {
  const sizes = { B: 64, T, E: 64, H: 128, V: 64 };
  return {
    name,
    settings: { ...sizes, learningRate: LEARNING_RATE },
    inputs: () => modelInputs(sizes),
    reference: composedInFloat64("training"),
    tolerance: 1e-3,
    unchecked: ["gradus/products alone"],
  };
}
