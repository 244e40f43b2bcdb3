import { arange, asTensor, ValueError, type DType, type Tensor, type TensorLike } from "@gradus/core";
import { cast, expandDims, less, max } from "@gradus/ops";
import { checkOptions } from "./checkOptions.ts";

export interface SequenceMaskOptions {
  /** Length of the new last axis. Default: the largest length, or 0 where there is none. */
  readonly maxLength?: number;
  /** Default: "bool". */
  readonly dtype?: DType;
}

/**
 * y[…, t] = t < lengths[…] for t from 0 to maxLength − 1: true, or 1, at the first `length` places. Lengths of any rank;
 * a length below 0 counts as 0, one above maxLength as maxLength. No gradient.
 * @throws DTypeError or ValueError for lengths that are no integers, ValueError for a maxLength that is no whole number.
 * @source TensorFlow's `sequence_mask`
 * @example
 * console.log(sequenceMask([1, 3], { dtype: "int32" })); // => int32[2,3] [[1, 0, 0], [1, 1, 1]]
 */
export function sequenceMask(lengths: TensorLike, options: SequenceMaskOptions = {}): Tensor {
  const ends = asTensor("sequenceMask", "lengths", lengths, "int32");
  const { maxLength = ends.size === 0 ? 0 : Math.max(0, max(ends).item()), dtype = "bool" } = checkOptions(
    "sequenceMask",
    options,
  );
  if (!Number.isInteger(maxLength) || maxLength < 0) {
    throw new ValueError("sequenceMask", "no such length", { maxLength }, "a whole number from 0");
  }
  return cast(less(arange(0, maxLength), expandDims(ends, { axis: -1 })), dtype);
}
