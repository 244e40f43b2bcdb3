import { flat, unflat } from "./differentiable.ts";
import { exactSlopes, slopesOf } from "./differences.ts";
import { allowed, fail, type Point } from "./point.ts";
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
  /** The coordinate, if v is one. */
  readonly input?: number;
}

/** Compares the gradient with differences along random directions, and along coordinates: all if they are few. */
export function checkSlopes(point: Point): void {
  const { x, exact, draw, tolerance } = point;
  const paces = x.map((value) => {
    return exact || !Number.isFinite(value) ? 1 : Math.min(1, Math.max(settings.smallest, Math.abs(value)));
  });
  let found: Comparison | undefined;
  for (let n = 0; n < settings.directions && !found && x.length > 0; n++) {
    const direction = paces.map((pace) => pace * draw());
    const along = compare(point, direction, 1);
    if (along.verdict !== "right") found = along;
  }
  let worst: Comparison | undefined;
  const searched = found ? settings.searched : settings.coordinates;
  for (let input = 0; input < x.length && (found ? input < searched : x.length <= searched); input++) {
    const pace = paces[input]!;
    const direction = x.map((_, i) => (i === input ? pace : 0));
    const along = compare(point, direction, pace);
    if (along.verdict !== "right" && !(worst && worst.error >= along.error)) worst = { ...along, input };
  }
  found = worst ?? found;
  if (!found) return;
  const { verdict, gradient, differences, left, right, input } = found;
  const where = input === undefined ? {} : { input };
  if (verdict === "kink") {
    const problem = "a kink or an edge of the function";
    fail(point, { finding: "kink", problem, want: "a smooth point", ...where, numbers: { left, right } });
  }
  const numbers = { gradient, differences, ratio: gradient / differences };
  fail(point, { finding: "gradient", problem: "wrong gradient", want: `agreement to ${tolerance}`, ...where, numbers });
}

/** Along a direction; slopes are told per `pace` of it. */
function compare(point: Point, direction: Float64Array, pace: number): Comparison {
  const { fn, inputs, x, f, u, vjp, exact, tolerance } = point;
  const curve = (t: number): Float64Array => {
    const moved = x.map((value, i) => value + t * direction[i]!);
    return flat(fn(unflat(moved, inputs)));
  };
  const slopes = exact ? exactSlopes(curve) : slopesOf(curve, f, tolerance);
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
  const found = { gradient, differences: (low + high) / 2, left, right };
  if (slopes.rough.size > 0 && !(apart > 1)) return { ...found, verdict: "kink", error: 0 };
  if (apart <= 1) return { ...found, verdict: "right", error: apart };
  return { ...found, verdict: "wrong", error: Number.isNaN(apart) ? Infinity : apart };
}
