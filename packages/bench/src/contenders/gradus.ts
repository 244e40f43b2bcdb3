import { add, memoryStats, step, tensor, valueAndGrad, version, type Tensor } from "@gradus/core";
import { linear } from "@gradus/nn";
import { concat, exp, matmul, mul, reshape, sigmoid, slice, stack, sum, take, tanh } from "@gradus/ops";
import { linearSequenceLoss, sequenceLoss } from "@gradus/seq2seq";
import { float64, mapEntries, type Arrays, type Values } from "../arrays.ts";
import { timed, type Contender, type Prepare, type Run } from "../contender.ts";
import { training } from "./gradusTraining.ts";

type Named = Readonly<Record<string, Tensor>>;
type Work = (x: Named) => Named;

const outside = (inputs: Arrays): Record<string, Tensor> =>
  mapEntries(inputs, ({ shape, data }) => tensor(data, { shape }));

const read = (results: Named): Arrays =>
  mapEntries(results, ({ shape, data }): Values => ({ shape, data: data as Float32Array }));

/** Work on what was made in the same step, as a layer's inputs are; each repetition frees what it makes. */
function inStep(inputs: Arrays, work: Work): Run {
  const given = outside(inputs);
  const time = (times: number): number => {
    let milliseconds = 0;
    step(() => {
      const made = mapEntries(given, (x) => add(x, 0));
      milliseconds = timed(times, () => step(() => void work(made)));
    });
    return milliseconds;
  };
  return { time, read: () => read(step(() => work(given))) };
}

/** Work in a step on what was made before it, which the step takes in first. */
function stepOn(inputs: Arrays, work: Work): Run {
  const given = outside(inputs);
  return {
    time: (times) => timed(times, () => step(() => void work(given))),
    read: () => read(step(() => work(given))),
  };
}

const loss: Work = ({ logits, targets, weights }) => {
  const { value, grads } = valueAndGrad((x: Tensor) => sequenceLoss(x, targets!, weights!))(logits!);
  return { loss: value, dLogits: grads };
};

const functions = { exp, tanh, sigmoid, "tanh(a·b + c)": (a: Tensor, b: Tensor, c: Tensor) => tanh(add(mul(a, b), c)) };

const embedding: Work = ({ table, ids, dy }) => {
  const { value, grads } = valueAndGrad((x: Tensor) => sum(mul(take(x, ids!), dy!)))(table!);
  return { value, dTable: grads };
};

/** y ← tanh(x + y), again and again, on one element. */
const chain = (ops: number): Work => {
  const value = (x: Tensor): Tensor => {
    let y = x;
    for (let i = 0; i < ops; i += 2) y = tanh(add(x, y));
    return y;
  };
  return ({ x }) => ({ dx: valueAndGrad(value)(x!).grads });
};

/** T slices, T takes, a concat and a stack, value and gradient: what a loop over time does beside its arithmetic. */
const timeSteps: Work = ({ xs, table, ids }) => {
  const [T, B, E] = xs!.shape as [number, number, number];
  const params = { xs: xs!, table: table! };
  const { value, grads } = valueAndGrad(({ xs, table }: typeof params) => {
    const rows = Array.from({ length: T }, (_, t) => {
      const at = { start: t, end: t + 1 };
      return add(reshape(slice(xs, at), [B, E]), take(table, reshape(slice(ids!, at), [B])));
    });
    return add(sum(concat(rows)), sum(stack(rows)));
  })(params);
  return { value, dXs: grads.xs, dTable: grads.table };
};

const linearLoss =
  (fused: boolean): Work =>
  ({ hidden, weight, bias, targets, weights }) => {
    const params = { hidden: hidden!, weight: weight!, bias: bias! };
    const loss = (p: typeof params): Tensor =>
      fused
        ? linearSequenceLoss(p.hidden, p.weight, p.bias, targets!, weights!)
        : sequenceLoss(linear(p, p.hidden), targets!, weights!);
    const { value, grads } = valueAndGrad(loss)(params);
    return { loss: value, dHidden: grads.hidden, dWeight: grads.weight, dBias: grads.bias };
  };

export function loadGradus(variant: string): Contender {
  const workloads: Record<string, Prepare> = {
    loss: (inputs) => (variant === "outer logits" ? stepOn : inStep)(inputs, loss),
    linearLoss: (inputs) => inStep(inputs, linearLoss(variant === "fused")),
    matmul: (inputs, { transposeA, transposeB }) => {
      const options = { transposeA: transposeA === true, transposeB: transposeB === true };
      const given = variant === "float64" ? float64(inputs) : inputs;
      return inStep(given, ({ a, b }) => ({ product: matmul(a!, b!, options) }));
    },
    elementwise: (inputs, settings) => {
      const f = functions[settings["function"] as keyof typeof functions];
      return inStep(inputs, ({ a, b, c }) => ({ y: f(a!, b!, c!) }));
    },
    embedding: (inputs) => inStep(inputs, embedding),
    training: training(variant),
    overhead: (inputs, { ops }) => {
      const work = chain(Number(ops));
      if (variant === "in step") return stepOn(inputs, work);
      const given = outside(inputs);
      return { time: (times) => timed(times, () => work(given)), read: () => read(work(given)) };
    },
    timeSteps: (inputs) => inStep(inputs, timeSteps),
  };
  return { version, workloads, peak: () => memoryStats().peak };
}
