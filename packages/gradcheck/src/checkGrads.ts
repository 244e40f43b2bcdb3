import { DTypeError, isTensor, ValueError, type Tensor } from "@gradus/core";
import { gradientOf, type Many } from "./differentiable.ts";
import { allowed, checkPure, fail, pointOf, type Point } from "./point.ts";
import { amount, stream } from "./random.ts";
import { settings } from "./settings.ts";
import { checkSlopes } from "./slopes.ts";

export interface CheckOptions {
  /** Of cotangents and directions. Default: 0. */
  readonly seed?: number;
  /** 2 checks the gradient of the gradient as well. Default: 2. */
  readonly order?: 1 | 2;
  /** As a polynomial of all inputs together: differences are then exact, and the tolerance is 1e-12. Default: none. */
  readonly degree?: 1 | 2;
  /** The gradient is 0 everywhere, as it should. Default: false, and a gradient so small is refused: it shows nothing. */
  readonly zero?: boolean;
  /** |gradient − differences| ≤ tolerance·max(1, both). Default: 1e-7, or 1e-12 where there is a degree. */
  readonly tolerance?: number;
}

/**
 * Checks the gradient of `fn` at its float64 `inputs`, for a random cotangent u: ⟨Jᵀu, v⟩ = ⟨u, Jv⟩ for random directions v,
 * and for every coordinate where there are few. Jᵀu comes from `grad`, Jv from differences. `backward` must agree with
 * `vjp`. Then the same for the gradient, as a function of the inputs and the cotangent.
 * @throws CheckError with the worst index, both numbers, their ratio and the seed. Its `finding` tells a wrong gradient from
 * a kink, from a point outside the domain, from a function that gives two answers to one question or computes in float32,
 * and from a gradient too small to show anything. DTypeError for anything but float64, ValueError for options.
 * @example
 * const double = customGradient((x) => ({ value: add(x, x), gradient: (dy) => [dy] })); // should be dy + dy
 * try {
 *   checkGrads(double, [tensor([3], { dtype: "float64" })], { degree: 1 });
 * } catch (error) {
 *   const { finding, numbers } = error as CheckError;
 *   console.log(finding, numbers.ratio); // => gradient 0.5
 * }
 */
export function checkGrads<const X extends readonly Tensor[]>(
  fn: (...inputs: NoInfer<X>) => Tensor,
  inputs: readonly [...X],
  options: CheckOptions = {},
): void {
  if (typeof fn !== "function") throw new ValueError("checkGrads", "not a function", { fn }, "a function of tensors");
  check("checkGrads", (xs) => fn(...(xs as unknown as NoInfer<X>)), inputs, options);
}

/** The check behind `checkGrads`, named as errors should name it; cotangents are random unless one number is given. */
export function check(
  name: string,
  fn: (xs: readonly Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options: CheckOptions,
  cotangent?: number,
): void {
  const { degree, seed = 0, order = 2, zero = false } = options;
  const exact = degree !== undefined;
  const { tolerance = exact ? settings.exact : settings.tolerance } = options;
  checkOption(name, "seed", seed, Number.isSafeInteger(seed), "a whole number");
  checkOption(name, "order", order, order === 1 || order === 2, "1 or 2");
  checkOption(name, "degree", degree, !exact || degree === 1 || degree === 2, "1, 2 or none");
  checkOption(name, "tolerance", tolerance, tolerance > 0 && tolerance < Infinity, "a number above 0");
  requireList(name, inputs);
  inputs.forEach((x, i) => requireFloat64(name, `inputs[${i}]`, x, false));
  const many: Many = (xs) => {
    const output = fn(xs);
    requireFloat64(name, "output", output, exact);
    return [output];
  };
  const random = stream(seed);
  const draw = (): number => amount(random);
  const weigh = (): number => cotangent ?? draw();
  const checkOne = (of: Many, at: readonly Tensor[], order: 1 | 2): readonly Tensor[] => {
    const point = pointOf(of, at, { check: name, order, seed, draw, weigh, tolerance, degree });
    checkPure(point);
    checkDomain(point);
    checkPaths(point);
    checkSlopes(point);
    checkSize(point, zero);
    return point.cotangents;
  };
  const cotangents = checkOne(many, inputs, 1);
  if (order === 2) checkOne(gradientOf(many), [...inputs, ...cotangents], 2);
}

function checkOption(check: string, name: string, value: unknown, fits: boolean, want: string): void {
  if (!fits) throw new ValueError(check, `no such ${name}`, { [name]: value }, want);
}

function requireList(check: string, inputs: unknown): void {
  if (!Array.isArray(inputs)) throw new ValueError(check, "not a list", { inputs }, "an array of tensors");
}

/** A result in float32 is exact enough where differences are. */
function requireFloat64(check: string, argument: string, x: Tensor, orFloat32: boolean): void {
  if (isTensor(x) && (x.dtype === "float64" || (orFloat32 && x.dtype === "float32"))) return;
  throw new DTypeError(check, "differences need float64", { [argument]: x }, "a float64 tensor; constants stand in fn");
}

/** NaN is no value that has a slope. */
function checkDomain(point: Point): void {
  const output = point.f.findIndex(Number.isNaN);
  if (output < 0 || point.x.length === 0) return;
  const numbers = { value: point.f[output]! };
  const want = "a point where it has a value";
  fail(point, { finding: "domain", problem: "the function is NaN there, outside its domain", want, output, numbers });
}

function checkPaths(point: Point): void {
  point.vjp.forEach((vjp, input) => {
    const backward = point.backward[input]!;
    if (Object.is(vjp, backward) || Math.abs(vjp - backward) <= settings.paths * Math.max(1, Math.abs(vjp))) return;
    const numbers = { backward, vjp, ratio: backward / vjp };
    const want = `agreement to ${settings.paths}`;
    fail(point, { finding: "paths", problem: "backward and vjp disagree", want, input, numbers });
  });
}

function checkSize(point: Point, zero: boolean): void {
  const largest = point.vjp.reduce((most, value) => (Math.abs(value) <= most ? most : Math.abs(value)), 0); // NaN stays
  const tolerance = allowed(point);
  if (largest < settings.vacuous * tolerance === zero) return;
  const numbers = { largest, tolerance };
  if (zero) fail(point, { finding: "gradient", problem: "declared zero, but it is not", want: "zeros", numbers });
  const want = `an element of ${settings.vacuous} tolerances, or zero: true`;
  fail(point, { finding: "vacuous", problem: "the gradient is too small to show anything", want, numbers });
}
