import { customGradient, ShapeError, tensor, ValueError } from "@gradus/core";
import { CheckError } from "./CheckError.ts";
import { check, type CheckOptions } from "./checkGrads.ts";

const NAME = "checkFunction";

/**
 * Checks a gradient of one's own, without tensors: `gradient(x)` against differences of `fn` at `x`, as `checkGrads` does at
 * first order. Each call is given an array of its own, and `gradient` may return the same one each time.
 * @throws CheckError as `checkGrads` does; its numbers are those of `gradient`, per coordinate. ValueError where `fn`,
 * `gradient` or `x` are not what they should be, or `fn(x)` is not finite; ShapeError for a gradient that is not as long
 * as `x`.
 * @example
 * const area = (x: Float64Array) => x[0]! * (x[0]! + x[1]!);
 * checkFunction(area, ([a, b]) => [2 * a! + b!, a!], [1, 3], { degree: 2 });
 * try {
 *   checkFunction(area, ([a]) => [2 * a!, a!], [1, 3], { degree: 2 });
 * } catch (error) {
 *   const { finding, place, numbers } = error as CheckError;
 *   console.log(finding, place.index, numbers); // => gradient [ 0 ] { gradient: 2, differences: 5, ratio: 0.4 }
 * }
 */
export function checkFunction(
  fn: (x: Float64Array) => number,
  gradient: (x: Float64Array) => ArrayLike<number>,
  x: ArrayLike<number>,
  options: Omit<CheckOptions, "order"> = {},
): void {
  for (const [name, given] of Object.entries({ fn, gradient })) {
    if (typeof given !== "function") throw new ValueError(NAME, "not a function", { [name]: given }, "a function");
  }
  const at = numbersIn("x", x);
  const odd = at.findIndex((value) => !Number.isFinite(value));
  if (odd >= 0) throw new ValueError(NAME, "x is not finite", { x: `at [${odd}]`, value: at[odd] }, "finite numbers");
  const valueAt = (x: ArrayLike<number>): number => {
    const value: unknown = fn(Float64Array.from(x));
    if (typeof value === "number") return value;
    throw new ValueError(NAME, "fn returns no number", { "fn(x)": value }, "a number");
  };
  const value = valueAt(at);
  if (!Number.isFinite(value)) throw new ValueError(NAME, "no value at x", { "fn(x)": value }, "a finite number");
  const claimed = claimAt(gradient, at);
  checkSame(claimed, claimAt(gradient, at), options.seed ?? 0);
  const whole = customGradient((x) => ({
    value: tensor(valueAt(x.data), { dtype: "float64" }),
    gradient: (dy) => [tensor(claimed.map((slope) => slope * dy.item()))],
  }));
  // The cotangent is 1, so that errors show the numbers that `gradient` returns.
  check(NAME, ([x]) => whole(x!), [tensor(at, { name: "x" })], { ...options, order: 1 }, 1);
}

function claimAt(gradient: (x: Float64Array) => ArrayLike<number>, x: Float64Array): Float64Array {
  const claimed = numbersIn("gradient", gradient(Float64Array.from(x)));
  if (claimed.length === x.length) return claimed;
  const got = { gradient: [claimed.length], x: [x.length] };
  throw new ShapeError(NAME, "the gradient is not as long as x", got, `length ${x.length}`);
}

/** A copy; what is no number is refused, where a typed array would make it one. */
function numbersIn(argument: string, values: ArrayLike<unknown>): Float64Array {
  if (typeof (values as ArrayLike<unknown> | null | undefined)?.length !== "number") {
    throw new ValueError(NAME, "no array of numbers", { [argument]: values }, "an array of numbers");
  }
  return Float64Array.from(values, (value, i) => {
    if (typeof value === "number") return value;
    throw new ValueError(NAME, "no number", { [argument]: `at [${i}]`, value }, "numbers");
  });
}

function checkSame(claimed: Float64Array, again: Float64Array, seed: number): void {
  const i = claimed.findIndex((slope, i) => !Object.is(slope, again[i]));
  if (i < 0) return;
  const want = "a function of its inputs alone";
  const fault = { finding: "impure", problem: "two answers to one question", want } as const;
  throw new CheckError(
    NAME,
    fault,
    { order: 1, of: "gradient", index: [i] },
    { first: claimed[i]!, second: again[i]! },
    seed,
  );
}
