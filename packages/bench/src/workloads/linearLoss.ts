import { composedInFloat64 } from "../reference.ts";
import { faster, integers, uniform, within, type Workload } from "../workload.ts";

const [B, T, H, V] = [16, 32, 128, 32_000];

export const linearLoss: Workload = {
  name: "linearLoss",
  title: "Linear layer and sequence loss",
  about:
    `The loss of logits made by a linear layer from hidden states [${B}, ${T}, ${H}], V ${V}: value, and gradients of ` +
    "states, weight and bias; 30 % of the weights of the loss are 0. Compared with the composed form in float64.",
  contenders: ["gradus/composed", "tfjs/wasm", "jax/jit", "pytorch/weights", "pytorch/rows that count"],
  cases: [
    {
      name: `${B}×${T}×${V}`,
      settings: {},
      inputs: () => ({
        hidden: uniform([B, T, H], -1, 1, 1),
        weight: uniform([V, H], -0.3, 0.3, 2),
        bias: uniform([V], -0.3, 0.3, 3),
        targets: integers([B, T], V, 4),
        weights: { shape: [B, T], data: uniform([B, T], 0, 1, 5).data.map((x) => (x < 0.3 ? 0 : 1)) },
      }),
      reference: composedInFloat64("linearLoss"),
      tolerance: 1e-4,
      slow: true,
    },
  ],
  bars: [
    ...["tfjs/wasm", "jax/jit"].map((theirs) => faster("gradus/composed", theirs, 1)),
    within("gradus/composed", "pytorch/weights", 1),
  ],
};
