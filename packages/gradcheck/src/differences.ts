import { settings } from "./settings.ts";

/** What differences say about the slope at 0 of each element of f(t). */
export interface Slopes {
  readonly central: Float64Array;
  /** From below and from above; equal but at a kink. */
  readonly left: Float64Array;
  readonly right: Float64Array;
  /** Elements with a kink, an edge or a jump within the smallest step. */
  readonly rough: ReadonlySet<number>;
}

type Curve = (t: number) => Float64Array;

/** Where two values are the same, be it ∞ or NaN, nothing changed between them. */
const change = (from: number, to: number): number => (Object.is(from, to) ? 0 : to - from);

/** What rounding of values of a size does to differences at a step. */
export const roundingOf = (size: number, step: number): number =>
  Number.isFinite(size) ? (16 * Number.EPSILON * size) / step : 0;

/** For polynomials of degree ≤ 2: (f(1) − f(−1))/2 is the slope, but for rounding. */
export function exactSlopes(f: Curve): Slopes {
  const [below, above] = [f(-1), f(1)];
  const central = below.map((value, j) => change(value, above[j]!) / 2);
  return { central, left: central, right: central, rough: new Set() };
}

/** Whether the next difference of f, which is 0 for a polynomial of the degree, is 0 but for rounding. */
export function hasDegree(f: Curve, degree: 1 | 2, tolerance: number): boolean {
  const [a, b, c, d] = [f(-1), f(0), f(1), f(2)] as const;
  return a.every((_, j) => {
    const [p, q, r, s] = [a[j]!, b[j]!, c[j]!, d[j]!];
    const rest = degree === 1 ? r - 2 * q + p : s - 3 * r + 3 * q - p;
    const size = Math.max(1, ...[p, q, r, s].map(Math.abs));
    return !(Math.abs(rest) > tolerance * size);
  });
}

/** Whether f changes all the way, but its values, at points that float32 does not hold, are such that it does. */
export function isCoarse(f: Curve): boolean {
  const values = [-1, 1, 2].map((n) => f(n * settings.step * Math.SQRT1_2));
  const changes = values[0]!.some((_, j) => new Set(values.map((value) => value[j])).size === values.length);
  return changes && values.every((value) => value.every((v) => Object.is(v, Math.fround(v))));
}

/** Slopes of any function, at smaller steps where it is not smooth enough for the first. */
export function slopesOf(f: Curve, at0: Float64Array, tolerance: number): Slopes {
  let { central, left, right, rough } = slopesAt(settings.step, f, at0, tolerance);
  for (const part of [2 ** -4, 2 ** -8]) {
    if (rough.size === 0) break;
    const finer = slopesAt(settings.step * part, f, at0, tolerance);
    const pick = (coarse: Float64Array, fine: Float64Array): Float64Array =>
      coarse.map((slope, j) => (rough.has(j) ? fine[j]! : slope));
    [central, left, right] = [pick(central, finer.central), pick(left, finer.left), pick(right, finer.right)];
    rough = new Set([...rough].filter((j) => finer.rough.has(j)));
  }
  return { central, left, right, rough };
}

/**
 * Central differences at h and h/2, extrapolated: the error falls with h⁴. The one-sided differences of a smooth function
 * are h·f″ apart, a gap that halves with h; at a kink it stays, and beside one the central differences jump.
 */
function slopesAt(h: number, f: Curve, at0: Float64Array, tolerance: number): Slopes {
  const [below2, below, above, above2] = [f(-h), f(-h / 2), f(h / 2), f(h)];
  const left = at0.map((value, j) => change(below[j]!, value) / (h / 2));
  const right = at0.map((value, j) => change(value, above[j]!) / (h / 2));
  const near = at0.map((_, j) => change(below[j]!, above[j]!) / h);
  const far = at0.map((_, j) => change(below2[j]!, above2[j]!) / (2 * h));
  const rough = new Set<number>();
  at0.forEach((value, j) => {
    const gap = Math.abs(right[j]! - left[j]!);
    const gap2 = Math.abs(change(value, above2[j]!) - change(below2[j]!, value)) / h;
    const small = tolerance * Math.max(1, Math.abs(near[j]!)) + roundingOf(Math.abs(value), h);
    const apart = Math.abs(near[j]! - far[j]!);
    const smooth = gap > 0.3 * gap2 && gap < 0.7 * gap2 && apart < 0.05 * gap2;
    const fine = apart < Math.sqrt(tolerance) * Math.max(1, Math.abs(near[j]!)); // extrapolation takes its square off
    if (!(smooth && fine) && !(gap <= small && gap2 <= small)) rough.add(j);
  });
  return { central: near.map((slope, j) => (4 * slope - far[j]!) / 3), left, right, rough };
}
