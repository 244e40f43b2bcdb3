import { bytesOf, type DType } from "./array.ts";
import type { Beta } from "./elementwise.ts";
import { formFor, formsOf, type Forms, type Wasm } from "./forms.ts";
import { productAt, productBy } from "./gemm.ts";
import { floatsOf, memory } from "./memory.ts";
import * as twins from "./recurrentTwins.ts";
import type { Floats, Twin } from "./recurrentTwins.ts";
import { begin, end, input, output, scratch } from "./staging.ts";
import { empty, heapOf, offsetOf, type NdArray } from "./storage.ts";

/** What a recurrent layer reads. */
export interface Sequence {
  /** The inputs [B, T, E], or [B, E] for one step; with ids, a table [V, E] of them. */
  readonly x: NdArray;
  /** Which row of the table is the input, [B, T]. */
  readonly ids?: NdArray;
  /** How many steps each row has, [B]. What lies past them is not read. */
  readonly lengths: NdArray;
  readonly weightIh: NdArray;
  readonly weightHh: NdArray;
  readonly biasIh: NdArray;
  readonly biasHh: NdArray;
  /** The first state [B, H]; without rows, [0, H]: zeros. */
  readonly h0: NdArray;
  /** The first cell, for an LSTM alone; as h0. */
  readonly c0?: NdArray;
}

/** What the way back reads of the way there: gates [B, T, 4, H], and the cells [B, T, H] of an LSTM. */
export interface SavedSequence {
  readonly gates: NdArray;
  readonly cells: NdArray;
}

/** Where gradients go; null: nobody asks. */
export interface SequenceGrads {
  readonly x: Target;
  readonly weightIh: Target;
  readonly weightHh: Target;
  readonly biasIh: Target;
  readonly biasHh: Target;
  readonly h0: Target;
  readonly c0?: Target;
}
type Target = { readonly into: NdArray; readonly beta: Beta } | null;

/**
 * Four gates of length H lie together, those of the input and those of the state from the column given on. weightIh has
 * its rows in another order than GRU's gates: `inputs` are the pieces, all counted in H.
 */
interface Layer {
  readonly forward: Forms;
  readonly forwardTwin: Twin;
  readonly backward: Forms;
  readonly backwardTwin: Twin;
  readonly state: { readonly count: number; readonly column: number };
  readonly inputs: readonly { readonly first: number; readonly count: number; readonly column: number }[];
}

/** [n, r, z, m], where m is what the state gives to n, before the reset. */
const gruLayer: Layer = {
  forward: /* @__PURE__ */ formsOf("gruGates"),
  forwardTwin: twins.gruGates,
  backward: /* @__PURE__ */ formsOf("gruGatesGrad"),
  backwardTwin: twins.gruGatesGrad,
  state: { count: 3, column: 1 },
  inputs: [
    { first: 0, count: 2, column: 1 },
    { first: 2, count: 1, column: 0 },
  ],
};

/** [i, f, g, o] */
const lstmLayer: Layer = {
  forward: /* @__PURE__ */ formsOf("lstmGates"),
  forwardTwin: twins.lstmGates,
  backward: /* @__PURE__ */ formsOf("lstmGatesGrad"),
  backwardTwin: twins.lstmGatesGrad,
  state: { count: 4, column: 0 },
  inputs: [{ first: 0, count: 4, column: 0 }],
};

/** All states [B, T, H], or [B, H] for one step; 0 past a row's length. */
export function gru(s: Sequence, saves: boolean): { readonly output: NdArray; readonly saved: SavedSequence } {
  return forward(gruLayer, s, saves);
}

export function gruGrad(s: Sequence, saved: SavedSequence, states: NdArray, dy: NdArray, to: SequenceGrads): void {
  backward(gruLayer, s, saved, states, dy, to);
}

/** All states, then the last cells: [B·T + B, H]. */
export function lstm(s: Sequence, saves: boolean): { readonly output: NdArray; readonly saved: SavedSequence } {
  return forward(lstmLayer, s, saves);
}

export function lstmGrad(s: Sequence, saved: SavedSequence, states: NdArray, dy: NdArray, to: SequenceGrads): void {
  backward(lstmLayer, s, saved, states, dy, to);
}

function sizesOf({ x, ids, lengths, weightIh, weightHh }: Sequence) {
  const [H, E] = [weightHh.shape[1]!, weightIh.shape[1]!];
  const B = lengths.shape[0]!;
  const T = ids ? ids.shape[1]! : x.shape.length === 3 ? x.shape[1]! : 1;
  return { B, T, H, E, inputs: ids ? x.shape[0]! : B * T, dtype: x.dtype, size: bytesOf[x.dtype] };
}

function forward(layer: Layer, s: Sequence, saves: boolean): { output: NdArray; saved: SavedSequence } {
  const { B, T, H, E, inputs, dtype, size } = sizesOf(s);
  const [width, row] = [4 * H, 4 * H * size];
  const isCell = !s.ids && s.x.shape.length === 2;
  const states = empty(s.c0 ? [B * T + B, H] : isCell ? [B, H] : [B, T, H], dtype);
  const saved = saves ? { gates: empty([T, B, 4, H], dtype), cells: empty(s.c0 ? [T, B, H] : [0], dtype) } : null;
  begin();
  const [h, lengths] = [output(states.storage, false), input(s.lengths.storage)];
  const [weightIh, weightHh, x] = [input(s.weightIh.storage), input(s.weightHh.storage), input(s.x.storage)];
  const h0 = s.h0.storage.length > 0 ? input(s.h0.storage) : 0;
  const c0 = s.c0 && s.c0.storage.length > 0 ? input(s.c0.storage) : 0;
  const gates = saved ? output(saved.gates.storage, false) : scratch(B * width, dtype);
  const cells = !s.c0 ? 0 : saved ? output(saved.cells.storage, false) : scratch(T * B * H, dtype);
  const [zeros, biases] = [scratch(H, dtype), scratch(width, dtype)];
  const projected = s.ids ? scratch(inputs * width, dtype) : 0;
  const ids = s.ids ? idsByTime(s.ids) : 0;
  const fromInput = layer.inputs.map(({ first, count, column }) => ({
    multiply: productBy(s.weightIh, ids ? 1 : T, ids ? inputs : B, count * H, E, weightIh + first * H * E * size, 1, E),
    to: column * H * size,
  }));
  const { count, column } = layer.state;
  const fromState = productBy(s.weightHh, T, B, count * H, H, weightHh, 1, H);
  const { u8 } = memory();
  const floats = floatsOf(dtype);
  floats.fill(0, zeros / size, zeros / size + H);
  writeBiases(layer, s, floats, biases / size);
  /** Of inputs `step` apart, what they give to the gates, on top of the biases. */
  const project = (count: number, from: number, step: number, to: number): void => {
    u8.copyWithin(to, biases, biases + row);
    for (let i = 1; i < count; i *= 2) u8.copyWithin(to + i * row, to, to + Math.min(i, count - i) * row);
    for (const part of fromInput) part.multiply(from, step, 1, to + part.to, width, 1);
  };
  if (ids) project(inputs, x, E, projected);

  const take = either(takeForms, twins.takeRows, dtype);
  const gate = either(layer.forward, layer.forwardTwin, dtype);
  for (let t = 0; t < T; t++) {
    const [state, stateRow] = t > 0 ? [h + (t - 1) * H * size, T * H] : [h0 || zeros, h0 ? H : 0];
    const cell = cells + t * B * H * size;
    const [before, beforeRow] = s.c0 ? cellsBefore(t, cell, c0, zeros, B, H, size) : [state, stateRow];
    const at = saved ? gates + t * B * row : gates;
    if (ids) take(B, width, projected, ids + t * B * 4, at);
    else project(B, x + t * E * size, T * E, at);
    if (t > 0 || h0) fromState(state, stateRow, 1, at + column * H * size, width, 1);
    gate(B, H, t, lengths, at, before, beforeRow, h + t * H * size, T * H, cell);
  }
  if (s.c0) {
    const [counts, countsAt] = [heapOf(s.lengths.storage), offsetOf(s.lengths.storage)];
    for (let b = 0; b < B; b++) {
      const length = counts[countsAt + b]!;
      const from = length > 0 ? cells + ((length - 1) * B + b) * H * size : c0 ? c0 + b * H * size : zeros;
      u8.copyWithin(h + (B * T + b) * H * size, from, from + H * size);
    }
  }
  end();
  return { output: states, saved: saved ?? { gates: states, cells: states } };
}

/** Rows of gates' gradients that are multiplied at once: with fewer, a product would mostly load and store its result. */
const ROWS = 64;

function backward(
  layer: Layer,
  s: Sequence,
  saved: SavedSequence,
  states: NdArray,
  dy: NdArray,
  to: SequenceGrads,
): void {
  const { B, T, H, E, inputs, dtype, size } = sizesOf(s);
  const [width, row] = [4 * H, 4 * H * size];
  const steps = Math.min(T, Math.ceil(ROWS / Math.max(B, 1)));
  begin();
  const [h, dh, lengths] = [input(states.storage), input(dy.storage), input(s.lengths.storage)];
  const [weightIh, weightHh, x] = [input(s.weightIh.storage), input(s.weightHh.storage), input(s.x.storage)];
  const h0 = s.h0.storage.length > 0 ? input(s.h0.storage) : 0;
  const c0 = s.c0 && s.c0.storage.length > 0 ? input(s.c0.storage) : 0;
  const gates = input(saved.gates.storage);
  const cells = s.c0 ? input(saved.cells.storage) : 0;
  const into = (target: Target | undefined): number => (target ? output(target.into.storage, target.beta === 1) : 0);
  const [dWeightIh, dWeightHh, dX] = [into(to.weightIh), into(to.weightHh), into(to.x)];
  const [dBiasIh, dBiasHh, dH0, dC0] = [into(to.biasIh), into(to.biasHh), into(to.h0), into(to.c0)];
  const ids = s.ids ? idsByTime(s.ids) : 0;

  // The gradients of a few steps' gates: what they add to other gradients is added while the cache holds them.
  const dGates = scratch(steps * B * width, dtype);
  const dState = scratch(B * H, dtype);
  const dCell = s.c0 ? scratch(B * H, dtype) : 0;
  const dInputs = ids ? scratch(inputs * width, dtype) : dGates;
  const [stateRows, inputRows] = [scratch(steps * B * H, dtype), ids ? 0 : scratch(steps * B * E, dtype)];
  const [dOut, starts] = [scratch(B * H, dtype), scratch(B, "int32")];
  const [sums, part, zeros] = [scratch(width, dtype), scratch(width, dtype), scratch(H, dtype)];
  const read = to.weightIh ? withoutUnread(s, x) : 0;
  const { count, column } = layer.state;
  const toState = productBy(s.weightHh, T, B, H, count * H, weightHh, H, 1);
  const m = ids ? inputs : B;
  const pieces = layer.inputs.map(({ first, count, column }) => ({
    toInput: to.x && productBy(s.weightIh, ids ? 1 : T, m, E, count * H, weightIh + first * H * E * size, E, 1),
    rows: count * H,
    from: column * H * size,
    to: first * H * size,
  }));
  const { u8, i32 } = memory();
  const floats = floatsOf(dtype);
  const product = productAt(dtype);
  for (let b = 0; b < B; b++) i32[starts / 4 + b] = b * T;
  floats.fill(0, zeros / size, zeros / size + H);
  floats.fill(0, dState / size, dState / size + B * H);
  if (ids) floats.fill(0, dInputs / size, dInputs / size + inputs * width);
  if (dCell) u8.copyWithin(dCell, dh + B * T * H * size, dh + (B * T + B) * H * size);

  const pull = either(layer.backward, layer.backwardTwin, dtype);
  const takeRows = either(takeForms, twins.takeRows, dtype);
  const addRows = either(scatterForms, twins.scatterAddRows, dtype);
  const sumRows = either(sumForms, twins.sumRows, dtype);
  /** Where rows of step t of [B, T, n] lie together, for kernels to find in the cache: at `copy`, unless they do anyway. */
  const rowsOf = (t: number, n: number, all: number, copy: number): number => {
    if (T === 1) return all;
    takeRows(B, n, all + t * n * size, starts, copy);
    return copy;
  };
  const statesBefore = (t: number, copy: number): number => {
    if (t > 0) return rowsOf(t - 1, H, h, copy);
    if (h0 && T === 1) return h0;
    if (h0) u8.copyWithin(copy, h0, h0 + B * H * size);
    else floats.fill(0, copy / size, copy / size + B * H);
    return copy;
  };
  /** What gradients of inputs, `n` rows from `from` on, add to those of weights and biases. */
  const toWeights = (n: number, from: number, rows: number, adds: boolean): void => {
    for (const piece of pieces) {
      if (!to.weightIh) break;
      const beta = adds ? 1 : to.weightIh.beta;
      product(piece.rows, E, n, from + piece.from, 1, width, rows, E, 1, dWeightIh + piece.to * E, E, beta);
    }
    if (!to.biasIh && !to.biasHh) return;
    sumRows(1, n, width, from, adds ? part : sums);
    if (adds) addRows(1, width, part, zeros, sums);
  };
  /** And to those of the inputs themselves. */
  const toInputs = (from: number, at: number, step: number): void => {
    pieces.forEach((piece, i) => piece.toInput!(from + piece.from, width, 1, at, step, i === 0 ? to.x!.beta : 1));
  };

  for (let end = T; end > 0; end -= steps) {
    const first = Math.max(0, end - steps);
    let [state, given] = [stateRows, inputRows];
    for (let t = end - 1; t >= first; t--) {
      const i = (t - first) * B;
      const [at, cell] = [dGates + i * row, cells + t * B * H * size];
      u8.copyWithin(at, gates + t * B * row, gates + (t + 1) * B * row);
      state = statesBefore(t, stateRows + i * H * size);
      const [before, beforeRow] = s.c0 ? cellsBefore(t, cell, c0, zeros, B, H, size) : [state, H];
      pull(B, H, t, lengths, at, before, beforeRow, rowsOf(t, H, dh, dOut), dState, cell, dCell);
      if (t > 0 || dH0) toState(at + column * H * size, width, 1, dState, H, s.c0 ? 0 : 1);
      if (ids) continue;
      if (to.x) toInputs(at, dX + t * E * size, T * E);
      if (to.weightIh) given = rowsOf(t, E, read, inputRows + i * E * size);
    }
    const n = (end - first) * B;
    if (to.weightHh) {
      const idle = first === 0 && !h0 ? B : 0; // rows of states that are 0, and add nothing
      const from = dGates + idle * row + column * H * size;
      const beta = end < T ? 1 : to.weightHh.beta;
      product(count * H, H, n - idle, from, 1, width, state + idle * H * size, H, 1, dWeightHh, H, beta);
    }
    if (ids) addRows(n, width, dGates, ids + first * B * 4, dInputs);
    else toWeights(n, dGates, given, end < T);
  }
  if (ids) toWeights(inputs, dInputs, read, false);
  if (ids && to.x) toInputs(dInputs, dX, E);
  const put = (n: number, from: number, at: number, { beta }: Exclude<Target, null>): void => {
    if (beta) addRows(1, n, from, zeros, at);
    else u8.copyWithin(at, from, from + n * size);
  };
  if (to.h0) put(B * H, dState, dH0, to.h0);
  if (to.c0) put(B * H, dCell, dC0, to.c0);
  if (to.biasHh) put(count * H, sums + column * H * size, dBiasHh, to.biasHh);
  for (const piece of pieces) {
    if (to.biasIh) put(piece.rows, sums + piece.from, dBiasIh + piece.to, to.biasIh);
  }
  end();
}

/** What an LSTM goes on from at step t, whose cells are at `cell`: those of the step before, the first ones, or zeros. */
function cellsBefore(
  t: number,
  cell: number,
  c0: number,
  zeros: number,
  B: number,
  H: number,
  size: number,
): readonly [address: number, row: number] {
  if (t > 0) return [cell - B * H * size, H];
  return c0 ? [c0, H] : [zeros, 0];
}

/** The address of a copy of ids [B, T] as [T, B]. */
function idsByTime({ storage, shape }: NdArray): number {
  const [B, T] = shape as readonly [number, number];
  const copy = scratch(B * T, "int32");
  const [heap, at, { i32 }] = [heapOf(storage), offsetOf(storage), memory()];
  for (let i = 0; i < B * T; i++) i32[copy / 4 + (i % T) * B + Math.floor(i / T)] = heap[at + i]!;
  return copy;
}

function writeBiases({ inputs, state }: Layer, s: Sequence, floats: Floats, at: number): void {
  const H = s.weightHh.shape[1]!;
  const [outer, p] = [heapOf(s.biasIh.storage), offsetOf(s.biasIh.storage)];
  const [inner, q] = [heapOf(s.biasHh.storage), offsetOf(s.biasHh.storage)];
  floats.fill(0, at, at + 4 * H);
  for (const { first, count, column } of inputs) {
    for (let i = 0; i < count * H; i++) floats[at + column * H + i] = outer[p + first * H + i]!;
  }
  for (let i = 0; i < state.count * H; i++) floats[at + state.column * H + i]! += inner[q + i]!;
}

/** The inputs' address, or that of a copy with zeros where no step reads: 0 times what stands there might be NaN. */
function withoutUnread(s: Sequence, x: number): number {
  const { B, T, E, inputs, dtype, size } = sizesOf(s);
  const [lengths, at] = [heapOf(s.lengths.storage), offsetOf(s.lengths.storage)];
  const [ids, idsAt] = s.ids ? [heapOf(s.ids.storage), offsetOf(s.ids.storage)] : [null, 0];
  const isRead = new Uint8Array(inputs);
  for (let b = 0; b < B; b++) {
    for (let i = b * T, last = i + lengths[at + b]!; i < last; i++) isRead[ids ? ids[idsAt + i]! : i] = 1;
  }
  if (isRead.every(Boolean)) return x;
  const copy = scratch(inputs * E, dtype);
  const { u8 } = memory();
  for (let i = 0; i < inputs; i++) {
    const from = i * E * size;
    if (isRead[i]) u8.copyWithin(copy + from, x + from, x + from + E * size);
    else u8.fill(0, copy + from, copy + from + E * size);
  }
  return copy;
}

const takeForms: Forms = /* @__PURE__ */ formsOf("takeRows");
const scatterForms: Forms = /* @__PURE__ */ formsOf("scatterAddRows");
const sumForms: Forms = /* @__PURE__ */ formsOf("sum");

function either(forms: Forms, twin: Twin, dtype: DType): Wasm {
  return formFor(forms, dtype) ?? twin(floatsOf(dtype), memory().i32);
}
