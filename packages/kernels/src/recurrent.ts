import { bytesOf, type DType } from "./array.ts";
import type { Beta } from "./elementwise.ts";
import { formFor, formsOf, type Forms, type Wasm } from "./forms.ts";
import { productAt } from "./gemm.ts";
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
  const isCell = !s.ids && s.x.shape.length === 2;
  const states = empty(s.c0 ? [B * T + B, H] : isCell ? [B, H] : [B, T, H], dtype);
  const saved = saves ? { gates: empty([B, T, 4, H], dtype), cells: empty(s.c0 ? [B, T, H] : [0], dtype) } : null;
  begin();
  const [h, lengths] = [output(states.storage, false), input(s.lengths.storage)];
  const [weightIh, weightHh, x] = [input(s.weightIh.storage), input(s.weightHh.storage), input(s.x.storage)];
  const h0 = s.h0.storage.length > 0 ? input(s.h0.storage) : 0;
  const c0 = s.c0 && s.c0.storage.length > 0 ? input(s.c0.storage) : 0;
  const ids = s.ids ? input(s.ids.storage) : 0;
  const gates = saved ? output(saved.gates.storage, false) : scratch(B * T * 4 * H, dtype);
  const cells = !s.c0 ? 0 : saved ? output(saved.cells.storage, false) : scratch(B * T * H, dtype);
  const projected = s.ids ? scratch(inputs * 4 * H, dtype) : gates;
  const zeros = scratch(H, dtype);
  const { u8 } = memory();
  const floats = floatsOf(dtype);
  const product = productAt(dtype);
  floats.fill(0, zeros / size, zeros / size + H);

  // Every row of gates begins as the biases, to which the products are added.
  const row = 4 * H * size;
  writeBiases(layer, s, floats, projected / size);
  for (let i = 1; i < inputs; i *= 2) {
    u8.copyWithin(projected + i * row, projected, projected + Math.min(i, inputs - i) * row);
  }
  for (const { first, count, column } of layer.inputs) {
    const [weight, to] = [weightIh + first * H * E * size, projected + column * H * size];
    product(inputs, count * H, E, x, E, 1, weight, 1, E, to, 4 * H, 1, 0);
  }
  if (ids) either(takeForms, twins.takeRows, dtype)(B * T, 4 * H, projected, ids, gates);
  const gate = either(layer.forward, layer.forwardTwin, dtype);
  const { count, column } = layer.state;
  for (let t = 0; t < T; t++) {
    const [state, stateRow] = before(t, h, h0 || zeros, h0 ? H : 0, H, T, size);
    const [memory, memoryRow] = s.c0 ? before(t, cells, c0 || zeros, c0 ? H : 0, H, T, size) : [state, stateRow];
    const at = gates + t * row;
    const to = at + column * H * size;
    const again = t > (h0 ? 0 : 1) ? 1 : 0;
    if (t > 0 || h0) product(B, count * H, H, state, stateRow, 1, weightHh, 1, H, to, 4 * T * H, 1, again);
    const [out, cell] = [h + t * H * size, cells + t * H * size];
    gate(B, H, t, lengths, at, 4 * T * H, memory, memoryRow, out, T * H, cell);
  }
  if (s.c0) {
    const [counts, countsAt] = [heapOf(s.lengths.storage), offsetOf(s.lengths.storage)];
    for (let b = 0; b < B; b++) {
      const length = counts[countsAt + b]!;
      const from = length > 0 ? cells + (b * T + length - 1) * H * size : c0 ? c0 + b * H * size : zeros;
      u8.copyWithin(h + (B * T + b) * H * size, from, from + H * size);
    }
  }
  end();
  return { output: states, saved: saved ?? { gates: states, cells: states } };
}

function backward(
  layer: Layer,
  s: Sequence,
  saved: SavedSequence,
  states: NdArray,
  dy: NdArray,
  to: SequenceGrads,
): void {
  const { B, T, H, E, inputs, dtype, size } = sizesOf(s);
  const [width, row, steps] = [4 * H, 4 * H * size, B * T];
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
  const ids = s.ids ? input(s.ids.storage) : 0;

  const dGates = scratch(steps * width, dtype);
  const dState = scratch(B * H, dtype);
  const dCell = s.c0 ? scratch(B * H, dtype) : 0;
  const dInputs = ids ? scratch(inputs * width, dtype) : dGates;
  const sums = scratch(width, dtype);
  const zeros = scratch(H, dtype);
  const beforeAll = to.weightHh ? statesBefore(s, h, h0) : 0;
  const read = to.weightIh ? withoutUnread(s, x) : 0;
  const { u8 } = memory();
  const floats = floatsOf(dtype);
  const product = productAt(dtype);
  floats.fill(0, zeros / size, zeros / size + H);
  floats.fill(0, dState / size, dState / size + B * H);
  if (dCell) u8.copyWithin(dCell, dh + steps * H * size, dh + (steps + B) * H * size);

  const pull = either(layer.backward, layer.backwardTwin, dtype);
  const { count, column } = layer.state;
  const toState = dGates + column * H * size;
  for (let t = T - 1; t >= 0; t--) {
    const [memory, memoryRow] = s.c0
      ? before(t, cells, c0 || zeros, c0 ? H : 0, H, T, size)
      : before(t, h, h0 || zeros, h0 ? H : 0, H, T, size);
    const [at, of] = [t * row, t * H * size];
    pull(
      B,
      H,
      t,
      lengths,
      gates + at,
      T * width,
      memory,
      memoryRow,
      dh + of,
      T * H,
      dState,
      dGates + at,
      cells + of,
      dCell,
    );
    const [beta, again] = [s.c0 ? 0 : 1, t < T - 1 ? 1 : 0];
    if (t > 0 || dH0) product(B, H, count * H, toState + at, T * width, 1, weightHh, H, 1, dState, H, beta, again);
  }
  const addRows = either(scatterForms, twins.scatterAddRows, dtype);
  const put = (n: number, from: number, at: number, { beta }: Exclude<Target, null>): void => {
    if (beta) addRows(1, n, from, zeros, at);
    else u8.copyWithin(at, from, from + n * size);
  };
  if (to.h0) put(B * H, dState, dH0, to.h0);
  if (to.c0) put(B * H, dCell, dC0, to.c0);
  if (to.weightHh) {
    product(count * H, H, steps, toState, 1, width, beforeAll, H, 1, dWeightHh, H, to.weightHh.beta, 0);
  }
  if (ids) {
    floats.fill(0, dInputs / size, dInputs / size + inputs * width);
    addRows(steps, width, dGates, ids, dInputs);
  }
  if (to.biasIh || to.biasHh) either(sumForms, twins.sumRows, dtype)(1, inputs, width, dInputs, sums);
  if (to.biasHh) put(count * H, sums + column * H * size, dBiasHh, to.biasHh);
  for (const piece of layer.inputs) {
    const [from, rows] = [dInputs + piece.column * H * size, piece.count * H];
    const weight = piece.first * H * E * size;
    if (to.biasIh) put(rows, sums + piece.column * H * size, dBiasIh + piece.first * H * size, to.biasIh);
    if (to.weightIh) product(rows, E, inputs, from, 1, width, read, E, 1, dWeightIh + weight, E, to.weightIh.beta, 0);
    if (to.x) {
      const beta = piece === layer.inputs[0] ? to.x.beta : 1;
      product(inputs, E, rows, from, width, 1, weightIh + weight, E, 1, dX, E, beta, 0);
    }
  }
  end();
}

/** What stands before step t: a row of `all` [B, T, H], or of `first`. */
function before(
  t: number,
  all: number,
  first: number,
  firstRow: number,
  H: number,
  T: number,
  size: number,
): readonly [address: number, row: number] {
  return t > 0 ? [all + (t - 1) * H * size, T * H] : [first, firstRow];
}

/** The address of the states before each step, [B·T, H]: row by row, all but the last, behind the first, or zeros. */
function statesBefore(s: Sequence, h: number, h0: number): number {
  const { B, T, H, dtype, size } = sizesOf(s);
  if (T === 1 && h0) return h0;
  const copy = scratch(B * T * H, dtype);
  const { u8 } = memory();
  const state = H * size;
  for (let b = 0; b < B; b++) {
    const at = copy + b * T * state;
    if (h0) u8.copyWithin(at, h0 + b * state, h0 + (b + 1) * state);
    else u8.fill(0, at, at + state);
    u8.copyWithin(at + state, h + b * T * state, h + (b * T + T - 1) * state);
  }
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
  const copy = scratch(inputs * E, dtype);
  const [lengths, at] = [heapOf(s.lengths.storage), offsetOf(s.lengths.storage)];
  const [ids, idsAt] = s.ids ? [heapOf(s.ids.storage), offsetOf(s.ids.storage)] : [null, 0];
  const isRead = new Array<boolean>(inputs).fill(false);
  for (let b = 0; b < B; b++) {
    for (let i = b * T, last = i + lengths[at + b]!; i < last; i++) isRead[ids ? ids[idsAt + i]! : i] = true;
  }
  if (isRead.every(Boolean)) return x;
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
