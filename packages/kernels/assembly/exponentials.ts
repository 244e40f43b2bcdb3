// What softmax and cross-entropy have in common: a row's largest value and the sum of its exponentials.
//
// mask, a byte a place, says which places count (not 0), and is 0 where all do; what does not count is not used.
import { Lanes } from "./lanes";
import { Vector } from "./transcendental";

/** The largest value that counts, −∞ for want of one. A NaN may be passed over: it will spoil the sum. */
export function largestOf<Float>(n: i32, x: usize, mask: usize): Float {
  const none = v128.splat<Float>(-Infinity);
  let top = none;
  let j = 0;
  if (mask == 0) {
    let second = none; // two chains: each waits for itself alone
    for (; j + 2 * Lanes.count<Float>() <= n; j += 2 * Lanes.count<Float>()) {
      const at = x + <usize>j * sizeof<Float>();
      top = v128.pmax<Float>(top, v128.load(at));
      second = v128.pmax<Float>(second, v128.load(at, 16));
    }
    top = v128.pmax<Float>(top, second);
  }
  for (; j < n; j += Lanes.count<Float>()) {
    const value = Lanes.load<Float>(x + <usize>j * sizeof<Float>(), n - j);
    top = v128.pmax<Float>(top, v128.bitselect(value, none, Lanes.counted<Float>(placeAt(mask, j), n - j)));
  }
  return Lanes.max<Float>(top);
}

/** As long as there is no largest x, what is relative to it is relative to 0. */
@inline
export function shiftOf<Float>(top: Float): Float {
  return top == -Infinity ? 0 : top;
}

/**
 * Σ exp(x − shift) for a shift that no x exceeds: pairs in Float, their sums in float64. The terms are stored to `out`, 0 at
 * places that do not count, unless that is 0.
 */
export function exponentials<Float>(n: i32, x: usize, mask: usize, shift: Float, out: usize): f64 {
  const by = v128.splat<Float>(shift);
  let sums = Lanes.zero();
  let j = 0;
  if (mask == 0) {
    for (; j + 2 * Lanes.count<Float>() <= n; j += 2 * Lanes.count<Float>()) {
      const at = <usize>j * sizeof<Float>();
      const e = Vector.expUpTo0<Float>(v128.sub<Float>(v128.load(x + at), by));
      const f = Vector.expUpTo0<Float>(v128.sub<Float>(v128.load(x + at, 16), by));
      sums = f64x2.add(sums, Lanes.pair<Float>(v128.add<Float>(e, f)));
      if (out) {
        v128.store(out + at, e);
        v128.store(out + at, f, 16);
      }
    }
  }
  for (; j < n; j += Lanes.count<Float>()) {
    const at = <usize>j * sizeof<Float>();
    const e = Vector.expAtEnd<Float>(v128.sub<Float>(Lanes.load<Float>(x + at, n - j), by));
    const term = Lanes.select(e, Lanes.counted<Float>(placeAt(mask, j), n - j));
    sums = f64x2.add(sums, Lanes.pair<Float>(term));
    if (out) Lanes.store<Float>(out + at, term, n - j);
  }
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
}

@inline
export function placeAt(mask: usize, j: i32): usize {
  return mask == 0 ? 0 : mask + <usize>j;
}
