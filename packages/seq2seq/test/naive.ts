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

/** A loss of one row x with the distribution y, its derivatives in both, and its Hessian in x times a vector. */
export type RowLoss = (
  x: number[],
  y: number[],
) => { loss: number; dx: number[]; dy: number[]; curve: (along: number[]) => number[] };

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, v) => sum + value * b[v]!, 0);

/** −Σ y'·log p + λ·z², with y' = (1 − ε)·y + ε/V and z = log Σ exp x. */
export const smoothedCrossEntropy =
  ({ labelSmoothing: epsilon, zLoss: lambda }: { labelSmoothing: number; zLoss: number }): RowLoss =>
  (x, y) => {
    const largest = Math.max(...x);
    const z = largest + Math.log(x.reduce((total, value) => total + Math.exp(value - largest), 0));
    const logp = x.map((value) => value - z);
    const p = logp.map(Math.exp);
    const smooth = y.map((share) => (1 - epsilon) * share + epsilon / x.length);
    const mass = smooth.reduce((a, share) => a + share);
    return {
      loss: lambda * z ** 2 - dot(smooth, logp),
      dx: p.map((q, v) => (mass + 2 * lambda * z) * q - smooth[v]!),
      dy: logp.map((l) => -(1 - epsilon) * l),
      curve: (along) => {
        const mean = dot(p, along);
        return p.map((q, v) => (mass + 2 * lambda * z) * q * (along[v]! - mean) + 2 * lambda * q * mean);
      },
    };
  };

export const crossEntropy: RowLoss = smoothedCrossEntropy({ labelSmoothing: 0, zLoss: 0 });

export const squaredError: RowLoss = (x, y) => ({
  loss: x.reduce((sum, value, v) => sum + y[v]! * (value - 1) ** 2, 0),
  dx: x.map((value, v) => 2 * y[v]! * (value - 1)),
  dy: x.map((value) => (value - 1) ** 2),
  curve: (along) => along.map((value, v) => 2 * y[v]! * value),
});

export interface Answer {
  readonly shape: number[];
  readonly value: number[];
  /** Of Σ u·value. */
  readonly logits: number[];
  readonly weights: number[];
  readonly soft: number[];
  /** The Hessian of Σ u·value in the logits, times `along`. */
  readonly product: number[];
}

export function naive(
  problem: Problem,
  flags: Flags,
  row: RowLoss,
  cotangent: ArrayLike<number>,
  along: readonly number[] = problem.logits,
): Answer {
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
    product: new Array<number>(B * T * V).fill(0),
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
      const { loss, dx, dy, curve } = rows[i]!;
      const curved = curve(along.slice(i * V, (i + 1) * V));
      answer.weights[i] = u * (averages ? loss - value : loss);
      for (let v = 0; v < V; v++) {
        answer.logits[i * V + v] = u * w[i]! * dx[v]!;
        answer.soft[i * V + v] = u * w[i]! * dy[v]!;
        answer.product[i * V + v] = u * w[i]! * curved[v]!;
      }
    }
  });
  return answer;
}
