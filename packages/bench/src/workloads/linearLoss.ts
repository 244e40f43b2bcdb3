import { composedInFloat64 } from "../reference.ts";
import { faster, holds, integers, uniform, within, type Case, type Workload } from "../workload.ts";

const [B, T, H, V] = [16, 32, 128, 32_000];

export const linearLoss: Workload = {
  name: "linearLoss",
  title: "Linear layer and sequence loss",
  about:
    `The loss of logits made by a linear layer from hidden states [${B}, ${T}, ${H}], V ${V}: value, and gradients of ` +
    "states, weight and bias; `fused` never holds the logits whole. 30 % of the weights of the loss are 0, or none. " +
    "Compared with the composed form in float64.",
  contenders: [
    "gradus/fused",
    "gradus/composed",
    "tfjs/wasm",
    "jax/jit",
    "pytorch/weights",
    "pytorch/rows that count",
    "pytorch/rows that count, memory kept",
  ],
  cases: [test("30 % masked", 0.3), { ...test("nothing masked", 0), contenders: ["gradus/fused", "gradus/composed"] }],
  bars: [
    ...["tfjs/wasm", "jax/jit"].map((theirs) => faster("gradus/fused", theirs, 1)),
    within("gradus/fused", "gradus/composed", 1.3),
    within("gradus/fused", "pytorch/weights", 1),
  ],
  peaks: [holds("gradus/fused", "gradus/composed", 1 / 8)],
};

function test(name: string, masked: number): Case {
  return {
    name,
    settings: {},
    inputs: () => ({
      hidden: uniform([B, T, H], -1, 1, 1),
      weight: uniform([V, H], -0.3, 0.3, 2),
      bias: uniform([V], -0.3, 0.3, 3),
      targets: integers([B, T], V, 4),
      weights: { shape: [B, T], data: uniform([B, T], 0, 1, 5).data.map((x) => (x < masked ? 0 : 1)) },
    }),
    reference: composedInFloat64("linearLoss"),
    tolerance: 1e-4,
    slow: true,
  };
}
