import { add, asTensor, DTypeError, IndexError, isTensor, noGrad, ShapeError, tensor, ValueError } from "@gradus/core";
import type { DType, Shape, Tensor, TensorLike, TypedArray } from "@gradus/core";
import { cast, equal, max, min, reshape, sub, where } from "@gradus/ops";

/** The arguments of a loss, of the right ranks and otherwise unchecked. */
export interface LossArguments {
  /** What has a row for each place: logits [B, T, V], or the hidden states [B, T, H] that logits are made of. */
  readonly x: Tensor;
  readonly name: "logits" | "hidden";
  readonly targets: Argument;
  readonly weights: Argument;
}

/** A tensor, or an array that will become one once its dtype is due; `dtype` and `shape` are what errors show. */
interface Argument {
  readonly value: TensorLike;
  readonly dtype: string;
  readonly shape: Shape;
}

/** A loss's arguments checked. */
export interface LossRows {
  /** Logits [B, T, V], or hidden states [B, T, H]. */
  readonly x: Tensor;
  /** int32 [B, T], or distributions [B, T, V]. */
  readonly labels: Tensor;
  /** bool [B, T, 1]: the rows that are read. */
  readonly read: () => Tensor;
  /** [B, T], of the logits' dtype; a constant 0 where a row is not read. */
  readonly weights: Tensor;
  /** The weights as they were given: a copy, which is nobody else's. */
  readonly values: TypedArray;
  /** Whether the weights are constants and each 0 or 1. */
  readonly isMask: boolean;
}

/** The first check, before any option is looked at. */
export function checkRanks(
  op: string,
  name: LossArguments["name"],
  x: Tensor,
  targets: TensorLike,
  weights: TensorLike,
): LossArguments {
  const shape = name === "logits" ? "[B, T, V]" : "[B, T, H]";
  if (!isTensor(x)) throw new ValueError(op, "not a tensor", { [name]: x }, `a float tensor ${shape}`);
  checkRank(op, name, x, [3], shape);
  const y = argument(op, "targets", targets, x);
  checkRank(op, "targets", y, [2, 3], "labels [B, T] or distributions [B, T, V]");
  const w = argument(op, "weights", weights, x);
  checkRank(op, "weights", w, [2], "[B, T]");
  return { x, name, targets: y, weights: w };
}

/** A typed array of B·T values stands for [B, T]. */
function argument(op: string, name: string, value: TensorLike, x: Tensor): Argument {
  if (isTensor(value)) return { value, dtype: value.dtype, shape: value.shape };
  const places = x.shape.slice(0, 2);
  const fits = ArrayBuffer.isView(value) && value.length === places[0]! * places[1]!;
  return { value, dtype: "array", shape: fits ? places : asTensor(op, name, value, "float64").shape };
}

function checkRank(
  op: string,
  name: string,
  x: { readonly shape: Shape },
  ranks: readonly number[],
  want: string,
): void {
  if (ranks.includes(x.shape.length)) return;
  throw new ShapeError(op, `${name} of rank ${x.shape.length}`, { [name]: x }, want);
}

/**
 * Checks shapes, dtypes and labels, in that order, and selects what is read: a row whose weight is not 0, or, where
 * weights need a gradient, one that is readable.
 */
export function rowsOf(op: string, given: LossArguments, V: number): LossRows {
  const { x } = given;
  const [B, T] = x.shape as readonly [number, number];
  checkShapes(op, given, V);
  if (x.dtype !== "float32" && x.dtype !== "float64") {
    throw new DTypeError(op, `${inWords(given)} must be floats`, shown(given), "float32 or float64");
  }
  const targets = targetsOf(op, given);
  const weights = weightsOf(op, given);

  const labels = targets.dtype === "int32" ? targets.data : null;
  const values = weights.data;
  const inRange = (row: number): boolean => !labels || (labels[row]! >= 0 && labels[row]! < V);
  let isMask = !weights.requiresGrad;
  for (let row = 0; row < values.length; row++) {
    const weight = values[row]!;
    if (weight !== 0 && !inRange(row)) {
      const got = { [`targets[${Math.floor(row / T)}][${row % T}]`]: labels![row], ...shown(given) };
      throw new IndexError(op, "label out of range", got, `0 to ${V - 1}, as V is ${V}, or weight 0 there`);
    }
    if (weight !== 0 && weight !== 1) isMask = false;
  }
  const read = (): Tensor => {
    const finite = weights.requiresGrad ? finiteRows(labels ? [x] : [x, targets]) : null;
    const rows = Uint8Array.from(values, (weight, row) => Number(weight !== 0 || (finite?.[row] && inRange(row))));
    return tensor(rows, { shape: [B, T, 1] });
  };
  const rows = { x, labels: targets, values, isMask };
  if (!weights.requiresGrad) return { ...rows, read, weights };
  const mask = read();
  return { ...rows, read: () => mask, weights: where(reshape(mask, [B, T]), weights, 0) };
}

/** What has the rows under its name, and in words, for errors. */
const shown = ({ name, x }: LossArguments): Readonly<Record<string, Tensor>> => ({ [name]: x });
const inWords = ({ name }: LossArguments): string => (name === "logits" ? name : "hidden states");

function checkShapes(op: string, given: LossArguments, V: number): void {
  if (V === 0) throw new ShapeError(op, "no classes", shown(given), "[B, T, V] with V of 1 or more");
  const shape = [...given.x.shape.slice(0, 2), V];
  for (const name of ["targets", "weights"] as const) {
    const argument = given[name];
    if (argument.shape.every((length, axis) => length === shape[axis])) continue;
    const want = `[${shape.slice(0, argument.shape.length).join(",")}]`;
    throw new ShapeError(op, `${name} do not fit ${inWords(given)}`, { [name]: argument, ...shown(given) }, want);
  }
}

/** int32 labels [B, T], or distributions [B, T, V] of the rows' dtype. */
function targetsOf(op: string, given: LossArguments): Tensor {
  const { targets, x } = given;
  const soft = targets.shape.length === 3;
  const wanted = soft ? x.dtype : "int32";
  if (!isTensor(targets.value)) return fromArray(op, "targets", targets, wanted);
  if (targets.dtype === wanted) return targets.value;
  const problem = soft ? `distributions of another dtype than the ${inWords(given)}` : "labels that are no integers";
  throw new DTypeError(op, problem, { targets, ...shown(given) }, wanted);
}

/** Weights of the rows' dtype; bool becomes 0 and 1. */
function weightsOf(op: string, given: LossArguments): Tensor {
  const { weights, x } = given;
  if (!isTensor(weights.value)) return fromArray(op, "weights", weights, x.dtype);
  if (weights.dtype === "bool" || weights.dtype === x.dtype) return cast(weights.value, x.dtype);
  const problem = `weights neither bool nor of the ${inWords(given)}' dtype`;
  throw new DTypeError(op, problem, { weights, ...shown(given) }, `bool or ${x.dtype}`);
}

function fromArray(op: string, name: string, { value, shape }: Argument, dtype: DType): Tensor {
  return reshape(asTensor(op, name, value, dtype), shape);
}

/** 1 for each row without NaN or ±∞ in any of the [B, T, …] tensors. */
function finiteRows(tensors: readonly Tensor[]): ArrayLike<number> {
  return noGrad(() => {
    // The largest is NaN where one is; x − x is 0 for finite x alone.
    const extremes = tensors.flatMap((x) => [max(x, { axis: -1 }), min(x, { axis: -1 })]);
    const rest = extremes.map((x) => sub(x, x));
    return equal(
      rest.reduce((a, b) => add(a, b)),
      0,
    ).data;
  });
}
