import { flat, unflat } from "./differentiable.ts";
import { exactSlopes, hasDegree, isCoarse, slopesOf } from "./differences.ts";
import { allowed, checkPure, fail, type Point } from "./point.ts";
import { settings } from "./settings.ts";

/** ⟨Jᵀu, v⟩ and ⟨u, Jv⟩, for one direction v. */
interface Comparison {
  readonly verdict: "right" | "wrong" | "kink";
  readonly gradient: number;
  readonly differences: number;
  /** How far apart they are, in allowed distances; 0 at a kink. */
  readonly error: number;
  /** One-sided slopes of the output that has the sharpest kink. */
  readonly left: number;
  readonly right: number;
  readonly direction: Float64Array;
  /** The coordinate, if v is one. */
  readonly input?: number;
}

/** Compares the gradient with differences along random directions, and along coordinates: all if they are few. */
export function checkSlopes(point: Point): void {
  const { x, degree, draw } = point;
  const paces = x.map((value) => {
    return degree || !Number.isFinite(value) ? 1 : Math.min(1, Math.max(settings.smallest, Math.abs(value)));
  });
  let found: Comparison | undefined;
  for (let n = 0; n < settings.directions && !found && x.length > 0; n++) {
    const along = compare(
      point,
      paces.map((pace) => pace * draw()),
      1,
    );
    if (along.verdict !== "right") found = along;
  }
  let [from, to] = [0, x.length];
  if (found) [from, to] = narrowed(point, found.direction);
  else if (x.length > settings.coordinates) return;
  let worst: Comparison | undefined;
  for (let input = from; input < to; input++) {
    const pace = paces[input]!;
    const along = compare(
      point,
      x.map((_, i) => (i === input ? pace : 0)),
      pace,
    );
    if (along.verdict !== "right" && !(worst && worst.error >= along.error)) worst = { ...along, input };
  }
  found = worst ?? found;
  if (found) report(point, found);
}

/** The coordinates to search: all, or, if they are very many, few, found by halves: where the direction is further off. */
function narrowed(point: Point, direction: Float64Array): readonly [from: number, to: number] {
  let [from, to] = [0, direction.length];
  const errorOf = (from: number, to: number): number => {
    const { verdict, error } = compare(
      point,
      direction.map((v, i) => (i >= from && i < to ? v : 0)),
      1,
    );
    return verdict === "kink" ? 1 : error;
  };
  const few = to > settings.searched ? settings.coordinates : to;
  while (to - from > few) {
    const middle = (from + to) >> 1;
    if (errorOf(from, middle) >= errorOf(middle, to)) to = middle;
    else from = middle;
  }
  return [from, to];
}

/** What was found, unless something else explains it. */
function report(point: Point, { verdict, gradient, differences, left, right, direction, input }: Comparison): never {
  checkPure(point);
  const { degree, tolerance } = point;
  const where = input === undefined ? {} : { input };
  const curve = curveOf(point, direction);
  if (degree && !hasDegree(curve, degree, Math.sqrt(tolerance))) {
    const problem = `no polynomial of degree ${degree}`;
    fail(point, { finding: "degree", problem, want: "the degree left out", ...where, numbers: { degree } });
  }
  if (!degree && isCoarse(curve)) {
    const problem = "the function computes in float32, too coarse for differences";
    fail(point, {
      finding: "coarse",
      problem,
      want: "float64 throughout",
      ...where,
      numbers: { gradient, differences },
    });
  }
  if (verdict === "kink") {
    const problem = "a kink or an edge of the function";
    fail(point, { finding: "kink", problem, want: "a smooth point", ...where, numbers: { left, right } });
  }
  const numbers = { gradient, differences, ratio: gradient / differences };
  fail(point, { finding: "gradient", problem: "wrong gradient", want: `agreement to ${tolerance}`, ...where, numbers });
}

/** The function's values along a direction. */
function curveOf({ fn, inputs, x }: Point, direction: Float64Array): (t: number) => Float64Array {
  return (t) =>
    flat(
      fn(
        unflat(
          x.map((value, i) => value + t * direction[i]!),
          inputs,
        ),
      ),
    );
}

/** Along a direction; slopes are told per `pace` of it. */
function compare(point: Point, direction: Float64Array, pace: number): Comparison {
  const { f, u, vjp, degree, tolerance } = point;
  const curve = curveOf(point, direction);
  const slopes = degree ? exactSlopes(curve) : slopesOf(curve, f, tolerance);
  const gradient = vjp.reduce((sum, g, i) => (direction[i] === 0 ? sum : sum + g * direction[i]!), 0) / pace;
  // At a kink ⟨u, Jv⟩ is whatever lies between the one-sided slopes.
  let [low, high, left, right] = [0, 0, 0, 0];
  u.forEach((weight, j) => {
    const rough = slopes.rough.has(j);
    const [from, to] = rough ? [slopes.left[j]!, slopes.right[j]!] : [slopes.central[j]!, slopes.central[j]!];
    low += Math.min(weight * from, weight * to) / pace;
    high += Math.max(weight * from, weight * to) / pace;
    if (rough && !(Math.abs(to - from) / pace < Math.abs(right - left))) [left, right] = [from / pace, to / pace];
  });
  const apart = Math.max(low - gradient, gradient - high) / allowed(point, [gradient, low, high], pace);
  const found = { gradient, differences: (low + high) / 2, left, right, direction };
  if (slopes.rough.size > 0 && !(apart > 1)) return { ...found, verdict: "kink", error: 0 };
  if (apart <= 1) return { ...found, verdict: "right", error: apart };
  return { ...found, verdict: "wrong", error: Number.isNaN(apart) ? Infinity : apart };
}
