import { checkShape, checkValue, DTypeError, fill, fromNested, isFloat, ValueError } from "@gradus/kernels";
import type { DType, NdArray, Nested, Shape, TypedArray } from "@gradus/kernels";
import { leaf } from "./graph.ts";
import { isTensor, Tensor } from "./tensor.ts";

/** What is accepted where nothing is differentiated: a tensor, nested arrays, or a typed array. */
export type TensorLike = Tensor | Nested | TypedArray;

export interface TensorOptions {
  /** Default: as the data nest. */
  readonly shape?: Shape;
  /** Default: of the typed array; "bool" for booleans; otherwise "float32". */
  readonly dtype?: DType;
  /** Whether gradients can be asked for; floats only. Default: false. */
  readonly requiresGrad?: boolean;
  /** Shown in errors and pictures. */
  readonly name?: string;
}

/**
 * A tensor with a copy of the values given.
 * @throws ShapeError for ragged arrays, with the index where they turn ragged; ValueError for values that the dtype
 * cannot hold.
 * @example
 * console.log(tensor([[1, 2], [3, 4]])); // => float32[2,2] [[1, 2], [3, 4]]
 */
export function tensor(values: Nested | TypedArray, options: TensorOptions = {}): Tensor {
  return made("tensor", "values", fromNested("tensor", "values", values, options.dtype, options.shape), options);
}

function made(
  op: string,
  argument: string,
  array: NdArray,
  { requiresGrad = false, name = "" }: TensorOptions,
): Tensor {
  if (requiresGrad && !isFloat(array.dtype)) {
    throw new DTypeError(op, "only floats take gradients", { [argument]: array }, "float32 or float64");
  }
  return new Tensor(array, requiresGrad ? leaf(array, name) : null, name);
}

/** A tensor of the dtype wanted, from anything tensor-like; a tensor must have that dtype already. */
export function asTensor(op: string, argument: string, value: TensorLike, dtype: DType): Tensor {
  if (!isTensor(value)) return new Tensor(fromNested(op, argument, value, dtype));
  if (value.dtype === dtype) return value;
  throw new DTypeError(op, "wrong dtype", { [argument]: value }, dtype);
}

type Creation = Omit<TensorOptions, "shape">;

/** A tensor of one value. */
export function full(shape: Shape, value: number, options: Creation = {}): Tensor {
  const { dtype = "float32" } = options;
  checkShape("full", shape);
  checkValue("full", "value", value, dtype, []);
  return made("full", "value", fill([...shape], value, dtype), options);
}

export function zeros(shape: Shape, options: Creation = {}): Tensor {
  return full(shape, 0, options);
}

export function ones(shape: Shape, options: Creation = {}): Tensor {
  return full(shape, 1, options);
}

/** start, start + step, … below `stop` (above it, if the step is negative). */
export function arange(start: number, stop: number, step = 1, options: Creation = {}): Tensor {
  if (step === 0 || !Number.isFinite((stop - start) / step)) {
    throw new ValueError("arange", "no such range", { start, stop, step }, "finite numbers and a step other than 0");
  }
  const length = Math.max(0, Math.ceil((stop - start) / step));
  return tensor(
    Array.from({ length }, (_, i) => start + i * step),
    { dtype: "int32", ...options },
  );
}

/** The identity matrix [n, n]. */
export function eye(n: number, options: Creation = {}): Tensor {
  checkShape("eye", [n]);
  const rows = Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
  return tensor(rows, { dtype: "float32", ...options, shape: [n, n] });
}
