/**
 * The loss and its gradients in plain loops over numbers, from the table of the contract and nothing else: an oracle, slow
 * and in float64. Weights are finite here, and so are logits.
 */
export interface Problem {
  readonly B: number;
  readonly T: number;
  readonly V: number;
  readonly logits: readonly number[];
  /** Labels [B, T]; or none, and `soft` [B, T, V]. */
  readonly labels: readonly number[] | null;
  readonly soft: readonly number[] | null;
  readonly weights: readonly number[];
}

export interface Flags {
  readonly averageAcrossTimesteps: boolean;
  readonly averageAcrossBatch: boolean;
  readonly sumOverTimesteps: boolean;
  readonly sumOverBatch: boolean;
}

/** A loss of one row x with the distribution y, and its derivatives in both. */
export type RowLoss = (x: number[], y: number[]) => { loss: number; dx: number[]; dy: number[] };

export const crossEntropy: RowLoss = (x, y) => {
  const largest = Math.max(...x);
  let total = 0;
  for (const value of x) total += Math.exp(value - largest);
  const logp = x.map((value) => value - largest - Math.log(total));
  let [loss, mass] = [0, 0];
  y.forEach((share, v) => {
    loss -= share * logp[v]!;
    mass += share;
  });
  return { loss, dx: logp.map((l, v) => mass * Math.exp(l) - y[v]!), dy: logp.map((l) => -l) };
};

export const squaredError: RowLoss = (x, y) => {
  let loss = 0;
  x.forEach((value, v) => (loss += y[v]! * (value - 1) ** 2));
  return { loss, dx: x.map((value, v) => 2 * y[v]! * (value - 1)), dy: x.map((value) => (value - 1) ** 2) };
};

export interface Answer {
  readonly shape: number[];
  readonly value: number[];
  /** Of Σ u·value. */
  readonly logits: number[];
  readonly weights: number[];
  readonly soft: number[];
}

export function naive(problem: Problem, flags: Flags, row: RowLoss, cotangent: ArrayLike<number>): Answer {
  const { B, T, V } = problem;
  const rows = Array.from({ length: B * T }, (_, i) => {
    const x = problem.logits.slice(i * V, (i + 1) * V);
    const y = problem.soft?.slice(i * V, (i + 1) * V) ?? x.map((_, v) => (v === problem.labels![i] ? 1 : 0));
    return row(x, y);
  });
  const w = problem.weights;

  // Which element of the result the place (b, t) goes into, and all the places of an element.
  const overTime = flags.averageAcrossTimesteps || flags.sumOverTimesteps;
  const overBatch = flags.averageAcrossBatch || flags.sumOverBatch;
  const averages = flags.averageAcrossTimesteps || flags.averageAcrossBatch;
  const shape = [...(overBatch ? [] : [B]), ...(overTime ? [] : [T])];
  const element = (b: number, t: number): number => {
    if (overTime && overBatch) return 0;
    if (overTime) return b;
    if (overBatch) return t;
    return b * T + t;
  };
  const size = shape.reduce((a, b) => a * b, 1);
  const places: number[][] = Array.from({ length: size }, () => []);
  for (let b = 0; b < B; b++) for (let t = 0; t < T; t++) places[element(b, t)]!.push(b * T + t);

  const answer: Answer = {
    shape,
    value: [],
    logits: new Array<number>(B * T * V).fill(0),
    weights: new Array<number>(B * T).fill(0),
    soft: new Array<number>(B * T * V).fill(0),
  };
  places.forEach((those, e) => {
    let [total, mass, count] = [0, 0, 0];
    for (const i of those) {
      if (w[i] !== 0) total += w[i]! * rows[i]!.loss;
      mass += w[i]!;
      if (w[i] !== 0) count += 1;
    }
    const divisor = !overTime && !overBatch ? 1 : averages ? mass : count;
    const value = divisor === 0 ? 0 : total / divisor;
    answer.value.push(value);
    const u = divisor === 0 ? 0 : cotangent[e]! / divisor;
    for (const i of those) {
      const { loss, dx, dy } = rows[i]!;
      answer.weights[i] = u * (averages ? loss - value : loss);
      for (let v = 0; v < V; v++) {
        answer.logits[i * V + v] = u * w[i]! * dx[v]!;
        answer.soft[i * V + v] = u * w[i]! * dy[v]!;
      }
    }
  });
  return answer;
}
