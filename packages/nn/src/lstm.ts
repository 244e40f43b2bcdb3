import { defineFused, full, zeros, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { add, concat, matmul, mul, reshape, sigmoid, slice, take, tanh } from "@gradus/ops";
import { checkShapes, type Wanted } from "./arguments.ts";
import { linear } from "./linear.ts";
import {
  atEnds,
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

/** Weights [4H, E] and [4H, H], biases [4H]: for the gates i, f, g and o, in this order. */
export type LstmParams = {
  readonly weightIh: Tensor;
  readonly weightHh: Tensor;
  readonly biasIh: Tensor;
  readonly biasHh: Tensor;
};

/** What an LSTM goes on from: the state h, which is its output, and the cell c, both [B, H]. */
export type LstmState = { readonly h: Tensor; readonly c: Tensor };

/**
 * Parameters of `lstm` and `lstmCell`, uniform in ±1/√H.
 * @throws ShapeError for sizes that are no whole numbers from 1.
 * @source PyTorch's `LSTM`
 * @example
 * console.log(createLstm({ inputSize: 3, hiddenSize: 4, random: createRandom(1) }).weightIh.shape); // => [ 16, 3 ]
 */
export function createLstm(sizes: RecurrentSizes): LstmParams {
  return createRecurrent("createLstm", 4, sizes);
}

/**
 * One step, from an input x [B, E] and a state, 0 if undefined: with a = W·x + b + U·h + c, in four parts, i = σ(aᵢ), f = σ(a_f),
 * g = tanh(a_g), o = σ(aₒ), the next cell is c′ = f·c + i·g, and the next state h′ = o·tanh(c′). W, U, b, c are weightIh,
 * weightHh, biasIh, biasHh.
 * @throws ShapeError for shapes that do not fit, DTypeError for mixed dtypes.
 * @source Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000, as PyTorch's `LSTMCell`
 * @example
 * const zero = createLstm({ inputSize: 1, hiddenSize: 1, random: { next: () => 0.5 } });
 * console.log(lstmCell(zero, tensor([[1]]), { h: tensor([[0]]), c: tensor([[8]]) }).c); // => float32[1,1] [[4]]
 */
export function lstmCell(params: LstmParams, x: Tensor, state?: LstmState): LstmState {
  const { weightIh, weightHh, biasIh, biasHh } = params;
  const wanted: Record<string, Wanted> = { x: [x, ["B", "E"]], ...wantedParams(params, 4) };
  const states: Record<string, Wanted> = state ? { h: [state.h, ["B", "H"]], c: [state.c, ["B", "H"]] } : {};
  const { B } = checkShapes<"B">("lstmCell", { ...states, ...wanted });
  const { h: h0, c: c0 } = state ?? { h: noStates(params), c: noStates(params) };
  const lengths = full([B], 1, { dtype: "int32" });
  const both = lstmOp({ x, weightIh, weightHh, biasIh, biasHh, h0, c0, lengths }, {});
  return { h: slice(both, { end: B }), c: slice(both, { start: B }) };
}

/**
 * `lstmCell` over sequences: xs [B, T, E] from a state, 0 if undefined, to the states h at all steps [B, T, H] and the last
 * h and c [B, H]. In place of xs, an embedding and ids [B, T] of its vectors. Past a row's length (of `lengths` [B],
 * default T) nothing is read, outputs are 0, and the state stays.
 * @throws ShapeError for shapes that do not fit, DTypeError for mixed dtypes, IndexError for a length outside 0 to T and
 * for an id that the embedding does not have.
 * @source PyTorch's `LSTM` with packed sequences
 * @example
 * const zero = createLstm({ inputSize: 1, hiddenSize: 1, random: { next: () => 0.5 } });
 * const { outputs, last } = lstm(zero, tensor([[[1], [NaN]]]), { h: tensor([[0]]), c: tensor([[8]]) }, { lengths: [1] });
 * console.log(outputs, last.c); // => float32[1,2,1] [[[0.49966], [0]]] float32[1,1] [[4]]
 */
export function lstm(
  params: LstmParams,
  xs: RecurrentInputs,
  state?: LstmState,
  options: RecurrentOptions = {},
): { readonly outputs: Tensor; readonly last: LstmState } {
  const first = state && { h: state.h, c: state.c };
  const sequence = sequenceOf("lstm", xs, wantedParams(params, 4), first ?? {}, options);
  const { x, ids, lengths, B, T } = sequence;
  const { weightIh, weightHh, biasIh, biasHh } = params;
  const { h: h0, c: c0 } = state ?? { h: noStates(params), c: noStates(params) };
  const inputs = { x, weightIh, weightHh, biasIh, biasHh, h0, c0, lengths };
  const all = ids ? embeddedLstmOp({ ids, ...inputs }, {}) : lstmOp(inputs, {});
  const outputs = reshape(slice(all, { end: B * T }), [B, T, all.shape[1]!]);
  return { outputs, last: { h: lastOf(outputs, sequence, state?.h), c: slice(all, { start: B * T }) } };
}

const fused = {
  inputs: ["x", "weightIh", "weightHh", "biasIh", "biasHh", "h0", "c0"],
  forward: (x: k.Sequence, _: object, needsGradient: boolean) => k.lstm(x, needsGradient),
  backward: (
    kept: k.Sequence & k.SavedSequence & { readonly output: k.NdArray },
    dy: k.NdArray,
    to: k.SequenceGrads,
  ): void => k.lstmGrad(kept, kept, kept.output, dy, to),
} as const;
const lstmOp = /* @__PURE__ */ defineFused({ name: "lstm", indices: ["lengths"], ...fused, composed: composedLstm });
const embeddedLstmOp = /* @__PURE__ */ defineFused({
  name: "embeddedLstm",
  indices: ["ids", "lengths"],
  ...fused,
  composed: ({ x, ids, ...rest }) => composedLstm({ ...rest, x: take(x, ids) }),
});

/** The definition: the states at all steps, of which x [B, E] has one, then the last cells, [B·T + B, H]. */
export function composedLstm({
  x,
  h0,
  c0,
  lengths,
  ...params
}: LstmParams & Readonly<Record<"x" | "h0" | "c0" | "lengths", Tensor>>): Tensor {
  const B = x.shape[0]!;
  const T = x.shape.length === 3 ? x.shape[1]! : 1;
  const start = (given: Tensor): Tensor =>
    given.shape[0] === B ? given : zeros([B, given.shape[1]!], { dtype: x.dtype as "float32" });
  const inputs = linear(inputsOf(params), byTime(reshape(x, [B, T, x.shape.at(-1)!]), lengths));
  const states = [{ h: start(h0), c: start(c0) }];
  for (let t = 0; t < T; t++) {
    states.push(next(params, slice(inputs, { start: t * B, end: (t + 1) * B }), states[t]!));
  }
  const [hs, cs] = [concat(states.map(({ h }) => h)), concat(states.map(({ c }) => c))];
  return concat([byRow(hs, lengths), atEnds(cs, lengths)]);
}

/** Both biases are added to the inputs, once for all steps. */
function inputsOf({ weightIh, biasIh, biasHh }: LstmParams): { readonly weight: Tensor; readonly bias: Tensor } {
  return { weight: weightIh, bias: add(biasIh, biasHh) };
}

/** The next state, from what the gates get from the input, [B, 4H]. */
function next({ weightHh }: LstmParams, inputs: Tensor, { h, c }: LstmState): LstmState {
  const H = h.shape[1]!;
  const all = add(inputs, matmul(h, weightHh, { transposeB: true }));
  const gate = (i: number): Tensor => slice(all, { axis: 1, start: i * H, end: (i + 1) * H });
  const [i, f, g, o] = [sigmoid(gate(0)), sigmoid(gate(1)), tanh(gate(2)), sigmoid(gate(3))];
  const cell = add(mul(f, c), mul(i, g));
  return { h: mul(o, tanh(cell)), c: cell };
}
