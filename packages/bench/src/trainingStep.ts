import { step, valueAndGrad, type Tensor } from "@gradus/core";
import { fill, matmulInto, type NdArray } from "@gradus/kernels";
import { adam, clipByGlobalNorm, createRandom } from "@gradus/nn";
import { createParams, loss, type Batch } from "@gradus/example-g2p/model";
import { agree, measure, report } from "./measure.ts";

const [B, S, T, E, H, V, LETTERS] = [64, 8, 8, 64, 128, 42, 29]; // the demo's sizes, at a typical length

const PRODUCTS = 8; // repetitions, so that making the operands does not count

/** The demo's training step against the matrix products that it makes, forward and backward, and nothing else. */
export function benchTrainingStep(rounds: number): void {
  const random = createRandom(1);
  const ids = (length: number, below: number): number[][] =>
    Array.from({ length: B }, () => Array.from({ length }, () => 3 + Math.floor(random.next() * (below - 3))));
  const params = createParams({ letters: LETTERS, phones: V, width: E, hidden: H }, random);
  const batch: Batch = {
    letters: ids(S, LETTERS),
    lengths: new Array(B).fill(S),
    inputs: ids(T, V),
    targets: ids(T, V),
  };
  const optimizer = adam({ learningRate: 1e-3 });
  const state = optimizer.init(params);
  const train = (): Tensor => {
    const { value, grads } = valueAndGrad(loss)(params, batch);
    optimizer.update(clipByGlobalNorm(grads, 1).grads, state, params);
    return value;
  };
  agree("the loss inside and outside step", step(train).data, train().data, 0);
  const timings = measure(
    [
      { name: "its matrix products alone", units: PRODUCTS, run: runProducts },
      { name: "training step, inside step", run: () => void step(train) },
      { name: "the same without clip and Adam", run: () => step(() => void valueAndGrad(loss)(params, batch)) },
      { name: "training step, outside", run: () => void train() },
    ],
    rounds,
  );
  report(`training step, composed: B ${B}, S ${S}, T ${T}, E ${E}, H ${H}`, timings, "its matrix products alone");
}

/** Sizes m, k, n of each product of the forward pass, and how many of them there are. */
const forward: readonly (readonly [times: number, batch: number, m: number, k: number, n: number])[] = [
  [1, 1, B * S, E, 3 * H], // encoder, inputs
  [S, 1, B, H, 3 * H], // encoder, states
  [1, 1, B * T, E, 3 * H], // decoder, inputs
  [T, 1, B, H, 3 * H], // decoder, states
  [1, 1, B * T, H, H], // attention, queries
  [1, B, T, H, S], // attention, scores
  [1, B, T, S, H], // attention, context
  [1, 1, B * T, 2 * H, H], // attentional state
  [1, 1, B * T, H, V], // logits
];

/** Makes the products' operands and returns a function that multiplies them, to be used in the same step. */
function products(): () => void {
  const zeros = (batch: number, rows: number, columns: number): NdArray => fill([batch, rows, columns], 0, "float32");
  const all = forward.map(([times, batch, m, k, n]) => ({
    times,
    a: zeros(batch, m, k),
    b: zeros(batch, k, n),
    y: zeros(batch, m, n),
  }));
  return () => {
    for (const { times, a, b, y } of all) {
      for (let i = 0; i < times; i++) {
        matmulInto(y, 0, a, false, b, false);
        matmulInto(a, 1, y, false, b, true); // dA += dY·Bᵀ
        matmulInto(b, 1, a, true, y, false); // dB += Aᵀ·dY
      }
    }
  };
}

function runProducts(): void {
  step(() => {
    const run = products();
    for (let i = 0; i < PRODUCTS; i++) run();
  });
}
