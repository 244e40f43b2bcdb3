import { asTensor, IndexError, isTensor, ShapeError, tensor, zeros, type Tensor, type TensorLike } from "@gradus/core";
import * as k from "@gradus/kernels";
import { reshape, where } from "@gradus/ops";
import { checkShapes, checkSizes, lengthsOf, type Wanted } from "./arguments.ts";
import { embedding, type EmbeddingParams } from "./embedding.ts";
import { uniform, type RandomOptions } from "./initialise.ts";
import { takeRows } from "./rows.ts";

/** What recurrent layers have in common: how they are made, what they read, and which states are a row's last. */

/** Parameters of a recurrent layer with G gates: weights [GH, E] and [GH, H], biases [GH]. */
export interface RecurrentParams {
  readonly weightIh: Tensor;
  readonly weightHh: Tensor;
  readonly biasIh: Tensor;
  readonly biasHh: Tensor;
}

export interface RecurrentSizes extends RandomOptions {
  readonly inputSize: number;
  readonly hiddenSize: number;
}

export interface RecurrentOptions {
  /** How many steps each row has, [B]. Default: T. */
  readonly lengths?: TensorLike;
}

/**
 * The vectors [B, T, E] that a recurrent layer reads, or ids [B, T] of an embedding [V, E]. With ids the layer multiplies
 * each vector by its weights once, however often it comes: less work where V < B·T. The results are the same up to rounding.
 */
export type RecurrentInputs = Tensor | { readonly embedding: EmbeddingParams; readonly ids: TensorLike };

/** Uniform in ±1/√H. */
export function createRecurrent(
  op: string,
  gates: number,
  { inputSize, hiddenSize, ...options }: RecurrentSizes,
): RecurrentParams & { readonly [name: string]: Tensor } {
  checkSizes(op, { inputSize, hiddenSize });
  const high = 1 / Math.sqrt(hiddenSize);
  const random = (...shape: number[]): Tensor => uniform(shape, { ...options, low: -high, high });
  const rows = gates * hiddenSize;
  return {
    weightIh: random(rows, inputSize),
    weightHh: random(rows, hiddenSize),
    biasIh: random(rows),
    biasHh: random(rows),
  };
}

/** The shapes of parameters with `gates` gates, for errors. */
export function wantedParams(
  { weightIh, weightHh, biasIh, biasHh }: RecurrentParams,
  gates: number,
): Record<"weightIh" | "weightHh" | "biasIh" | "biasHh", Wanted> {
  const rows = `${gates}H`;
  return {
    weightHh: [weightHh, [rows, "H"]],
    weightIh: [weightIh, [rows, "E"]],
    biasIh: [biasIh, [rows]],
    biasHh: [biasHh, [rows]],
  };
}

/** Checked inputs of a recurrent layer. */
export interface Sequence {
  /** [B, T, E], or with ids [V, E]. */
  readonly x: Tensor;
  readonly ids: Tensor | null;
  readonly lengths: Tensor;
  /** The same, as numbers. */
  readonly ends: readonly number[];
  readonly B: number;
  readonly T: number;
}

/** Checks what a layer is called with; `states` are the first ones, if there are any. */
export function sequenceOf(
  op: string,
  inputs: RecurrentInputs,
  params: ReturnType<typeof wantedParams>,
  states: Readonly<Record<string, Tensor>>,
  { lengths }: RecurrentOptions,
): Sequence {
  const first = Object.fromEntries(Object.entries(states).map(([name, x]) => [name, [x, ["B", "H"]] as const]));
  const isEmbedded = !isTensor(inputs) && typeof inputs === "object" && inputs !== null;
  let [x, ids]: [Tensor, Tensor | null] = [inputs as Tensor, null];
  if (isEmbedded) {
    const { weight } = inputs.embedding;
    ids = idsOf(op, inputs.ids, weight);
    const [B, T] = ids.shape as readonly [number, number];
    checkShapes(op, { embedding: [weight, ["V", "E"]], ...params, ...first }, { B, T });
    const projectsTable = weight.shape[0]! < B * T;
    x = projectsTable ? weight : embedding(inputs.embedding, ids);
    if (!projectsTable) ids = null;
  } else checkShapes(op, { xs: [x, ["B", "T", "E"]], ...params, ...first });
  const [B, T] = (ids ?? x).shape as readonly [number, number];
  if (T === 0) throw new ShapeError(op, "no steps", ids ? { ids } : { xs: x }, "T from 1");
  return { x, ids, ...lengthsOf(op, lengths, B, T), B, T };
}

/** No rows of states, [0, H]: a layer that is given these starts from zeros. */
export function noStates({ weightHh }: RecurrentParams): Tensor {
  return zeros([0, weightHh.shape[1]!], { dtype: weightHh.dtype as "float32" });
}

function idsOf(op: string, value: TensorLike, table: Tensor): Tensor {
  const ids = asTensor(op, "ids", value, "int32");
  if (ids.shape.length !== 2) throw new ShapeError(op, "not rows of ids", { ids }, "ids [B, T]");
  const [, T] = ids.shape as readonly [number, number];
  const outside = k.findIndex(ids.array, (id) => id < 0 || id >= table.shape[0]!);
  if (outside < 0) return ids;
  const place = `ids[${Math.floor(outside / T)}][${outside % T}]`;
  throw new IndexError(
    op,
    "no such id",
    { [place]: ids.data[outside], embedding: table },
    `0 to ${table.shape[0]! - 1}`,
  );
}

/** Of the states [B, T, H] the one at each row's end; a row without steps keeps its first one, or zeros. */
export function lastOf(states: Tensor, { ends, B, T }: Sequence, first: Tensor | undefined): Tensor {
  const numbers = ends.map((end, b) => (end > 0 ? b * T + end - 1 : -1));
  const last = takeRows(reshape(states, [B * T, states.shape[2]!]), numbers, [B]);
  return first && ends.includes(0) ? where(tensor(ends.map((end) => [end > 0])), last, first) : last;
}

/** For a composed form: the rows of x [B·T, E] in order of time, zeros for those past a row's length. */
export function byTime(x: Tensor, lengths: Tensor): Tensor {
  const [B, T, E] = x.shape as readonly [number, number, number];
  const ends = lengths.data;
  return takeRows(
    reshape(x, [B * T, E]),
    places(T, B, (t, b) => (t < ends[b]! ? b * T + t : -1)),
    [T * B],
  );
}

/** And back: of states before, between and after the steps, [(T + 1)·B, H], those after each step that counts, [B·T, H]. */
export function byRow(states: Tensor, lengths: Tensor): Tensor {
  const B = lengths.shape[0]!;
  const T = states.shape[0]! / B - 1;
  const ends = lengths.data;
  return takeRows(
    states,
    places(B, T, (b, t) => (t < ends[b]! ? (t + 1) * B + b : -1)),
    [B * T],
  );
}

/** And of [(T + 1)·B, H] those at each row's end, [B, H]. */
export function atEnds(states: Tensor, lengths: Tensor): Tensor {
  const B = lengths.shape[0]!;
  return takeRows(
    states,
    Array.from(lengths.data, (end, b) => end * B + b),
    [B],
  );
}

function places(rows: number, columns: number, of: (row: number, column: number) => number): number[] {
  return Array.from({ length: rows * columns }, (_, i) => of(Math.floor(i / columns), i % columns));
}
