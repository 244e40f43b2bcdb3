import { total, type Arrays } from "../arrays.ts";
import { faster, holds, integers, uniform, within, type Case, type Workload } from "../workload.ts";

const [small, middle, large] = ["32×20×64", "64×32×4000", "16×32×32000"];
const composed = ["tfjs/wasm", "jax/jit"];
const pytorch = [
  "pytorch/weights",
  "pytorch/ignore_index",
  "pytorch/rows that count",
  "pytorch/rows that count, memory kept",
];
const withoutCpu = ["gradus", "gradus/outer logits", "plain", "onnxruntime", ...composed, "jax/eager", ...pytorch];

export const loss: Workload = {
  name: "loss",
  title: "Sequence loss",
  about:
    "Value and gradient of Σ w·ce / Σ w for logits [B, T, V]; 30 % of the weights are 0. The logits are made in the same " +
    "step, as a model's are; `outer logits` are taken in first. PyTorch multiplies by weights, ignores labels of −100 or " +
    "picks the rows that count, the last also with a malloc told to keep its memory; onnxruntime has kernels alone, and " +
    "gets the gradient as a graph; plain is one fused loop.",
  contenders: [...withoutCpu, "tfjs/cpu"],
  cases: [
    test(small, [32, 20, 64]),
    { ...test(middle, [64, 32, 4000]), slow: true, contenders: withoutCpu },
    { ...test(large, [16, 32, 32_000]), slow: true, contenders: withoutCpu },
  ],
  bars: [
    ...composed.map((theirs) => faster("gradus", theirs, 5)),
    within("gradus", "pytorch/weights", 1),
    ...pytorch.slice(1).map((theirs) => within("gradus", theirs, 1, [middle, large])),
    within("gradus", "onnxruntime", 1),
    within("gradus", "plain", 1),
  ],
  peaks: [holds("gradus", "logits and gradient", 1.05)],
};

function test(name: string, [B, T, V]: readonly [number, number, number]): Case {
  const inputs = (): Arrays => {
    const weights = uniform([B, T], 0, 1, 3);
    return {
      logits: uniform([B, T, V], -4, 4, 1),
      targets: integers([B, T], V, 2),
      weights: { ...weights, data: weights.data.map((x) => (x < 0.3 ? 0 : 1)) },
    };
  };
  const held = { "logits and gradient": (8 * B * T * V) / 1e6 };
  return { name, settings: {}, inputs, reference, tolerance: 1e-5, held };
}

function reference({ logits, targets, weights }: Arrays): Arrays {
  const [x, w] = [logits!.data, weights!.data];
  const V = logits!.shape.at(-1)!;
  const divisor = total(w);
  const gradient = new Float64Array(x.length);
  let sum = 0;
  w.forEach((weight: number, row: number) => {
    const at = row * V;
    let exps = 0;
    for (let i = 0; i < V; i++) exps += Math.exp(x[at + i]!);
    const label = at + targets!.data[row]!;
    sum += weight * (Math.log(exps) - x[label]!);
    for (let i = 0; i < V; i++) gradient[at + i] = ((weight / divisor) * Math.exp(x[at + i]!)) / exps;
    gradient[label]! -= weight / divisor;
  });
  return {
    loss: { shape: [], data: Float64Array.of(sum / divisor) },
    dLogits: { shape: logits!.shape, data: gradient },
  };
}
