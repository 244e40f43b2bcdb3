import { add, asTensor, DTypeError, IndexError, isTensor, noGrad, ShapeError, tensor, ValueError } from "@gradus/core";
import type { DType, Shape, Tensor, TensorLike } from "@gradus/core";
import { cast, equal, max, min, oneHot, reshape, sub, where } from "@gradus/ops";

/** The arguments of a loss, of the right ranks and otherwise unchecked. */
export interface LossArguments {
  readonly logits: Tensor;
  readonly targets: Argument;
  readonly weights: Argument;
}

/** A tensor, or an array that will become one once its dtype is due; `dtype` and `shape` are what errors show. */
interface Argument {
  readonly value: TensorLike;
  readonly dtype: string;
  readonly shape: Shape;
}

/** A loss's arguments checked, with one row for each of the B·T places. */
export interface LossRows {
  /** [B·T, V] */
  readonly logits: Tensor;
  /** int32 [B·T], or distributions [B·T, V]; label 0 where a row is not read. */
  readonly labels: Tensor;
  /** bool [B·T, 1]: the rows that are read. */
  readonly read: Tensor;
  /** [B, T], of the logits' dtype; a constant 0 where a row is not read. */
  readonly weights: Tensor;
}

/** The first check, before any option is looked at. */
export function checkRanks(op: string, logits: Tensor, targets: TensorLike, weights: TensorLike): LossArguments {
  if (!isTensor(logits)) {
    throw new ValueError(op, "not a tensor", { logits }, "a float tensor [B, T, V]");
  }
  checkRank(op, "logits", logits, [3], "[B, T, V]");
  const y = argument(op, "targets", targets, logits);
  checkRank(op, "targets", y, [2, 3], "labels [B, T] or distributions [B, T, V]");
  const w = argument(op, "weights", weights, logits);
  checkRank(op, "weights", w, [2], "[B, T]");
  return { logits, targets: y, weights: w };
}

/** A typed array of B·T values stands for [B, T]. */
function argument(op: string, name: string, value: TensorLike, logits: Tensor): Argument {
  if (isTensor(value)) return { value, dtype: value.dtype, shape: value.shape };
  const places = logits.shape.slice(0, 2);
  const { shape, size } = asTensor(op, name, value, "float64");
  const fits = ArrayBuffer.isView(value) && size === places[0]! * places[1]!;
  return { value, dtype: "array", shape: fits ? places : shape };
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
export function rowsOf(op: string, given: LossArguments): LossRows {
  const { logits } = given;
  const [B, T, V] = logits.shape as readonly [number, number, number];
  checkShapes(op, given);
  if (logits.dtype !== "float32" && logits.dtype !== "float64") {
    throw new DTypeError(op, "logits must be floats", { logits }, "float32 or float64");
  }
  const targets = targetsOf(op, given);
  const weights = weightsOf(op, given);

  const soft = targets.shape.length === 3;
  const x = reshape(logits, [B * T, V]);
  const y = reshape(targets, soft ? [B * T, V] : [B * T]);
  const labels = soft ? null : y.data;
  const inRange = (i: number): boolean => !labels || (labels[i]! >= 0 && labels[i]! < V);
  const finite = weights.requiresGrad ? finiteRows(soft ? [x, y] : [x]) : null;
  const read = weights.data.map((w, i) => {
    if (w === 0) return finite && finite[i] && inRange(i) ? 1 : 0;
    if (inRange(i)) return 1;
    const got = { [`targets[${Math.floor(i / T)}][${i % T}]`]: labels![i], logits };
    throw new IndexError(op, "label out of range", got, `0 to ${V - 1}, as V is ${V}, or weight 0 there`);
  });
  const rows = tensor(read, { shape: [B * T, 1], dtype: "bool" });
  const readLabels = labels?.map((label, i) => (read[i] ? label : 0));
  return {
    logits: x,
    labels: readLabels ? tensor(readLabels, { dtype: "int32" }) : y,
    read: rows,
    weights: where(reshape(rows, [B, T]), weights, 0),
  };
}

/** The same rows with zeros and class 0 in the place of those that are not read. */
export function withoutUnread({
  logits,
  labels,
  read,
}: Omit<LossRows, "weights">): Pick<LossRows, "logits" | "labels"> {
  const soft = labels.shape.length === 2;
  const first = soft ? oneHot([0], { depth: logits.shape[1]!, dtype: labels.dtype }) : null;
  return { labels: first ? where(read, labels, first) : labels, logits: where(read, logits, 0) };
}

function checkShapes(op: string, { logits, targets, weights }: LossArguments): void {
  if (logits.shape[2] === 0) {
    throw new ShapeError(op, "no classes", { logits }, "[B, T, V] with V of 1 or more");
  }
  for (const [name, x] of Object.entries({ targets, weights })) {
    if (x.shape.every((length, axis) => length === logits.shape[axis])) continue;
    const want = `[${logits.shape.slice(0, x.shape.length).join(",")}]`;
    throw new ShapeError(op, `${name} do not fit logits`, { [name]: x, logits }, want);
  }
}

/** int32 labels [B, T], or distributions [B, T, V] of the logits' dtype. */
function targetsOf(op: string, { logits, targets }: LossArguments): Tensor {
  const soft = targets.shape.length === 3;
  const wanted = soft ? logits.dtype : "int32";
  if (!isTensor(targets.value)) return fromArray(op, "targets", targets, wanted);
  if (targets.dtype === wanted) return targets.value;
  const problem = soft ? "distributions of another dtype than the logits" : "labels that are no integers";
  throw new DTypeError(op, problem, { targets, logits }, wanted);
}

/** Weights of the logits' dtype; bool becomes 0 and 1. */
function weightsOf(op: string, { logits, weights }: LossArguments): Tensor {
  if (!isTensor(weights.value)) return fromArray(op, "weights", weights, logits.dtype);
  if (weights.dtype === "bool" || weights.dtype === logits.dtype) return cast(weights.value, logits.dtype);
  const problem = "weights neither bool nor of the logits' dtype";
  throw new DTypeError(op, problem, { weights, logits }, `bool or ${logits.dtype}`);
}

function fromArray(op: string, name: string, { value, shape }: Argument, dtype: DType): Tensor {
  return reshape(asTensor(op, name, value, dtype), shape);
}

/** 1 for each row without NaN or ±∞ in any of the [N, V] tensors. */
function finiteRows(tensors: readonly Tensor[]): ArrayLike<number> {
  return noGrad(() => {
    // The largest is NaN where one is; x − x is 0 for finite x alone.
    const extremes = tensors.flatMap((x) => [max(x, { axis: 1 }), min(x, { axis: 1 })]);
    const rest = extremes.map((x) => sub(x, x));
    return equal(
      rest.reduce((a, b) => add(a, b)),
      0,
    ).data;
  });
}
