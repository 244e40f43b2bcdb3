import { broadcastTo, ShapeError, zeros, type Tensor, type TensorLike } from "@gradus/core";
import { add, concat, matmul, mul, reshape, sigmoid, slice, sub, tanh, transpose } from "@gradus/ops";
import { checkShapes, checkSizes, lengthsOf, type Wanted } from "./arguments.ts";
import { uniform, type RandomOptions } from "./initialise.ts";
import { linear } from "./linear.ts";
import { takeRows } from "./rows.ts";

/** Weights [3H, E] and [3H, H], biases [3H]: for the gates r, z and n, in this order. */
export type GruParams = {
  readonly weightIh: Tensor;
  readonly weightHh: Tensor;
  readonly biasIh: Tensor;
  readonly biasHh: Tensor;
};

/**
 * Parameters of `gru` and `gruCell`, uniform in ±1/√H.
 * @throws ShapeError for sizes that are no whole numbers from 1.
 * @source PyTorch's `GRU`
 * @example
 * console.log(createGru({ inputSize: 3, hiddenSize: 4, random: createRandom(1) }).weightIh.shape); // => [ 12, 3 ]
 */
export function createGru({
  inputSize,
  hiddenSize,
  ...options
}: RandomOptions & { readonly inputSize: number; readonly hiddenSize: number }): GruParams {
  checkSizes("createGru", { inputSize, hiddenSize });
  const high = 1 / Math.sqrt(hiddenSize);
  const random = (...shape: number[]): Tensor => uniform(shape, { ...options, low: -high, high });
  const gates = 3 * hiddenSize;
  return {
    weightIh: random(gates, inputSize),
    weightHh: random(gates, hiddenSize),
    biasIh: random(gates),
    biasHh: random(gates),
  };
}

/**
 * One step, from an input x [B, E] and a state h [B, H] to the next state [B, H]:
 * r = σ(Wᵣx + bᵣ + Uᵣh + cᵣ), z = σ(W_z·x + b_z + U_z·h + c_z), n = tanh(Wₙx + bₙ + r·(Uₙh + cₙ)), h′ = (1 − z)·n + z·h,
 * with W, U, b, c the rows of weightIh, weightHh, biasIh, biasHh for each gate.
 * @throws ShapeError for shapes that do not fit, DTypeError for mixed dtypes.
 * @source Cho et al. 2014, with the reset after the matrix product, as PyTorch's `GRUCell`
 * @example
 * const zero = createGru({ inputSize: 1, hiddenSize: 1, random: { next: () => 0.5 } });
 * console.log(gruCell(zero, tensor([[1]]), tensor([[8]]))); // => float32[1,1] [[4]]
 */
export function gruCell(params: GruParams, x: Tensor, h: Tensor): Tensor {
  const { B, H } = checkShapes<"B" | "H">("gruCell", { h: [h, ["B", "H"]], x: [x, ["B", "E"]], ...wanted(params) });
  const gates = gatesOf(params, B, H);
  const inputs = each(gates.inputs, (input) => linear(input, x));
  return next(gates, inputs, h);
}

/**
 * `gruCell` over sequences: xs [B, T, E] from the states h0 [B, H], 0 if undefined, to all states [B, T, H] and the last
 * ones [B, H]. Past a row's length (of `lengths` [B], default T) nothing is read, outputs are 0, and the state stays.
 * @throws ShapeError for shapes that do not fit, DTypeError for mixed dtypes, IndexError for a length outside 0 to T.
 * @source PyTorch's `GRU` with packed sequences
 * @example
 * const zero = createGru({ inputSize: 1, hiddenSize: 1, random: { next: () => 0.5 } });
 * const { outputs, last } = gru(zero, tensor([[[1], [2], [NaN]]]), tensor([[8]]), { lengths: [2] });
 * console.log(outputs, last); // => float32[1,3,1] [[[4], [2], [0]]] float32[1,1] [[2]]
 */
export function gru(
  params: GruParams,
  xs: Tensor,
  h0?: Tensor,
  options: { readonly lengths?: TensorLike } = {},
): { readonly outputs: Tensor; readonly last: Tensor } {
  const given = { xs: [xs, ["B", "T", "E"]], ...wanted(params) } as const;
  const { B, T, E, H } = checkShapes<"B" | "T" | "E" | "H">("gru", h0 ? { ...given, h0: [h0, ["B", "H"]] } : given);
  if (T === 0) throw new ShapeError("gru", "no steps", { xs }, "T from 1");
  const lengths = options.lengths === undefined ? null : lengthsOf("gru", options.lengths, B, T);

  // Time first, so that a step's inputs lie together. Padding becomes zeros: the states computed there, which nobody
  // reads, are finite.
  const timeFirst = { axes: [1, 0, 2] };
  const rows = lengths && {
    inputs: places(T, B, (t, b) => (t < lengths[b]! ? b * T + t : -1)),
    outputs: places(B, T, (b, t) => (t < lengths[b]! ? (t + 1) * B + b : -1)),
    last: places(1, B, (_, b) => lengths[b]! * B + b),
  };
  const byTime = rows
    ? takeRows(reshape(xs, [B * T, E]), rows.inputs, [T * B])
    : reshape(transpose(xs, timeFirst), [T * B, E]);
  const gates = gatesOf(params, B, H);
  const inputs = each(gates.inputs, (input) => linear(input, byTime));
  const states = [h0 ?? zeros([B, H], { dtype: xs.dtype })];
  for (let t = 0; t < T; t++) {
    const at = each(inputs, (input) => slice(input, { start: t * B, end: (t + 1) * B }));
    states.push(next(gates, at, states[t]!));
  }
  if (rows) {
    const all = concat(states);
    return { outputs: takeRows(all, rows.outputs, [B, T]), last: takeRows(all, rows.last, [B]) };
  }
  const outputs = reshape(concat(states.slice(1)), [T, B, H]);
  return { outputs: transpose(outputs, timeFirst), last: states[T]! };
}

function places(rows: number, columns: number, of: (row: number, column: number) => number): Int32Array {
  return new Int32Array(rows * columns).map((_, i) => of(Math.floor(i / columns), i % columns));
}

const wanted = ({ weightIh, weightHh, biasIh, biasHh }: GruParams): Readonly<Record<string, Wanted>> => ({
  weightHh: [weightHh, ["3H", "H"]],
  weightIh: [weightIh, ["3H", "E"]],
  biasIh: [biasIh, ["3H"]],
  biasHh: [biasHh, ["3H"]],
});

type Gated<T> = readonly [r: T, z: T, n: T];
const each = <T, R>([r, z, n]: Gated<T>, f: (x: T, gate: 0 | 1 | 2) => R): Gated<R> => [f(r, 0), f(z, 1), f(n, 2)];

interface Gates {
  readonly inputs: Gated<{ readonly weight: Tensor; readonly bias: Tensor }>;
  readonly weights: Gated<Tensor>;
  /** The bias inside the reset, [B, H]; the others are added to the inputs, once for all steps. */
  readonly bias: Tensor;
}

function gatesOf({ weightIh, weightHh, biasIh, biasHh }: GruParams, batch: number, size: number): Gates {
  const split = (x: Tensor): Gated<Tensor> =>
    each([0, 1, 2], (i) => slice(x, { start: i * size, end: (i + 1) * size }));
  const [outer, [cr, cz, cn]] = [split(biasIh), split(biasHh)];
  const biases: Gated<Tensor> = [add(outer[0], cr), add(outer[1], cz), outer[2]];
  return {
    inputs: each(split(weightIh), (weight, gate) => ({ weight, bias: biases[gate] })),
    weights: split(weightHh),
    bias: broadcastTo(cn, [batch, size]),
  };
}

/** The next state, from what each gate gets from the input. h′ = n + z·(h − n) has one product less. */
function next({ weights: [wr, wz, wn], bias }: Gates, [xr, xz, xn]: Gated<Tensor>, h: Tensor): Tensor {
  const from = (weight: Tensor): Tensor => matmul(h, weight, { transposeB: true });
  const r = sigmoid(add(xr, from(wr)));
  const z = sigmoid(add(xz, from(wz)));
  const n = tanh(add(xn, mul(r, add(from(wn), bias))));
  return add(n, mul(z, sub(h, n)));
}
