import { broadcastTo, defineFused, full, zeros, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { add, concat, matmul, mul, reshape, sigmoid, slice, sub, take, tanh } from "@gradus/ops";
import { checkShapes, type Wanted } from "./arguments.ts";
import { linear } from "./linear.ts";
import {
  byRow,
  byTime,
  createRecurrent,
  lastOf,
  noStates,
  sequenceOf,
  wantedParams,
  type RecurrentInputs,
  type RecurrentOptions,
  type RecurrentSizes,
} from "./recurrent.ts";

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
export function createGru(sizes: RecurrentSizes): GruParams {
  return createRecurrent("createGru", 3, sizes);
}

/**
 * One step, from an input x [B, E] and a state h [B, H], 0 if undefined, to the next state [B, H]:
 * r = σ(Wᵣx + bᵣ + Uᵣh + cᵣ), z = σ(W_z·x + b_z + U_z·h + c_z), n = tanh(Wₙx + bₙ + r·(Uₙh + cₙ)), h′ = (1 − z)·n + z·h,
 * with W, U, b, c the rows of weightIh, weightHh, biasIh, biasHh for each gate.
 * @throws ShapeError for shapes that do not fit, DTypeError for mixed dtypes.
 * @source Cho et al. 2014, with the reset after the matrix product, as PyTorch's `GRUCell`
 * @example
 * const zero = createGru({ inputSize: 1, hiddenSize: 1, random: { next: () => 0.5 } });
 * console.log(gruCell(zero, tensor([[1]]), tensor([[8]]))); // => float32[1,1] [[4]]
 */
export function gruCell(params: GruParams, x: Tensor, h?: Tensor): Tensor {
  const { weightIh, weightHh, biasIh, biasHh } = params;
  const wanted: Record<string, Wanted> = { x: [x, ["B", "E"]], ...wantedParams(params, 3) };
  const { B } = checkShapes<"B">("gruCell", h ? { h: [h, ["B", "H"]], ...wanted } : wanted);
  const lengths = full([B], 1, { dtype: "int32" });
  return gruOp({ x, weightIh, weightHh, biasIh, biasHh, h0: h ?? noStates(params), lengths }, {});
}

/**
 * `gruCell` over sequences: xs [B, T, E] from the states h0 [B, H], 0 if undefined, to all states [B, T, H] and the last
 * ones [B, H]. In place of xs, an embedding and ids [B, T] of its vectors. Past a row's length (of `lengths` [B], default
 * T) nothing is read, outputs are 0, and the state stays.
 * @throws ShapeError for shapes that do not fit, DTypeError for mixed dtypes, IndexError for a length outside 0 to T and
 * for an id that the embedding does not have.
 * @source PyTorch's `GRU` with packed sequences
 * @example
 * const zero = createGru({ inputSize: 1, hiddenSize: 1, random: { next: () => 0.5 } });
 * const { outputs, last } = gru(zero, tensor([[[1], [2], [NaN]]]), tensor([[8]]), { lengths: [2] });
 * console.log(outputs, last); // => float32[1,3,1] [[[4], [2], [0]]] float32[1,1] [[2]]
 */
export function gru(
  params: GruParams,
  xs: RecurrentInputs,
  h0?: Tensor,
  options: RecurrentOptions = {},
): { readonly outputs: Tensor; readonly last: Tensor } {
  const sequence = sequenceOf("gru", xs, wantedParams(params, 3), h0 ? { h0 } : {}, options);
  const { x, ids, lengths } = sequence;
  const { weightIh, weightHh, biasIh, biasHh } = params;
  const inputs = { x, weightIh, weightHh, biasIh, biasHh, h0: h0 ?? noStates(params), lengths };
  const outputs = ids ? embeddedGruOp({ ids, ...inputs }, {}) : gruOp(inputs, {});
  return { outputs, last: lastOf(outputs, sequence, h0) };
}

const fused = {
  inputs: ["x", "weightIh", "weightHh", "biasIh", "biasHh", "h0"],
  forward: (x: k.Sequence, _: object, needsGradient: boolean) => k.gru(x, needsGradient),
  backward: (
    kept: k.Sequence & k.SavedSequence & { readonly output: k.NdArray },
    dy: k.NdArray,
    to: k.SequenceGrads,
  ): void => k.gruGrad(kept, kept, kept.output, dy, to),
} as const;
const gruOp = /* @__PURE__ */ defineFused({ name: "gru", indices: ["lengths"], ...fused, composed: composedGru });
const embeddedGruOp = /* @__PURE__ */ defineFused({
  name: "embeddedGru",
  indices: ["ids", "lengths"],
  ...fused,
  composed: ({ x, ids, ...rest }) => composedGru({ ...rest, x: take(x, ids) }),
});

/** The definition: all states [B, T, H], step by step; of one, from x [B, E], the state [B, H]. */
export function composedGru({
  x,
  h0,
  lengths,
  ...params
}: GruParams & { readonly x: Tensor; readonly h0: Tensor; readonly lengths: Tensor }): Tensor {
  const B = x.shape[0]!;
  const T = x.shape.length === 3 ? x.shape[1]! : 1;
  const H = params.weightHh.shape[1]!;
  const gates = gatesOf(params, B, H);
  const rows = byTime(reshape(x, [B, T, x.shape.at(-1)!]), lengths);
  const inputs = each(gates.inputs, (input) => linear(input, rows));
  const states = [h0.shape[0] === B ? h0 : zeros([B, H], { dtype: x.dtype as "float32" })];
  for (let t = 0; t < T; t++) {
    const at = each(inputs, (input) => slice(input, { start: t * B, end: (t + 1) * B }));
    states.push(next(gates, at, states[t]!));
  }
  return reshape(byRow(concat(states), lengths), [...x.shape.slice(0, -1), H]);
}

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
