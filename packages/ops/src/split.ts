import { ShapeError, ValueError, type Tensor } from "@gradus/core";
import { axisOf, checkOptions, checkTensor, isArray } from "./arguments.ts";
import { placeAt } from "./placeAt.ts";
import { slice } from "./slice.ts";

export interface SplitOptions {
  /** Default: 0. */
  readonly axis?: number;
  /** The length of each piece; they add up to the axis. Either these or `parts`. */
  readonly sizes?: readonly number[];
  /** The number of equal pieces. */
  readonly parts?: number;
}

/**
 * x cut into pieces along `axis`, by default the first: the inverse of `concat`. Each piece is a slice, and its pull-back
 * adds to its own place only.
 * @throws ValueError unless either sizes or parts are given, ShapeError for sizes that do not add up or parts that are not
 * equal, IndexError for an axis that is not there.
 * @example
 * console.log(split(tensor([1, 2, 3, 4]), { sizes: [1, 3] })[1]); // => float32[3] [2, 3, 4]
 */
export function split(x: Tensor, options: SplitOptions): Tensor[] {
  checkTensor("split", "x", x);
  checkOptions("split", options);
  const axis = axisOf("split", x, options.axis ?? 0);
  let end = 0;
  return sizesOf(x, axis, options).map((size) => slice(x, { axis, start: end, end: (end += size) }));
}

function sizesOf(x: Tensor, axis: number, { sizes, parts }: SplitOptions): readonly number[] {
  const length = x.shape[axis]!;
  if ((sizes === undefined) === (parts === undefined)) {
    throw new ValueError("split", "not one way to split", { sizes, parts }, "either sizes or parts");
  }
  if (parts !== undefined) {
    if (Number.isInteger(parts) && parts > 0 && length % parts === 0) return Array<number>(parts).fill(length / parts);
    throw new ShapeError("split", "no equal parts", { parts, x, axis }, `a number that divides ${length}`);
  }
  const whole = isArray(sizes) && sizes!.every((size) => Number.isInteger(size) && size >= 0);
  if (whole && sizes!.reduce((sum, size) => sum + size, 0) === length) return sizes!;
  throw new ShapeError(
    "split",
    "the sizes do not add up",
    { sizes, x, axis },
    `whole numbers from 0, ${length} in all`,
  );
}

/**
 * The slices of x along `axis`, by default the first, without that axis: the inverse of `stack`. An axis of length 0 gives
 * an empty list. The pull-back of each adds to its own place only.
 * @throws IndexError for an axis that is not there.
 * @example
 * console.log(unstack(tensor([[1, 2], [3, 4]]), { axis: 1 })[0]); // => float32[2] [1, 3]
 */
export function unstack(x: Tensor, options: { readonly axis?: number } = {}): Tensor[] {
  checkTensor("unstack", "x", x);
  checkOptions("unstack", options);
  const axis = axisOf("unstack", x, options.axis ?? 0);
  return Array.from({ length: x.shape[axis]! }, (_, i) => placeAt(x, { axis, i }));
}
