// softmax and its family over the rows of x [rows, n]. mask, of the same shape in bytes, says which places count
// (not 0), and is 0 where all do. Places that do not count have no influence, NaN included. Sums are taken in float64.
//
// Otherwise this is IEEE arithmetic: a row with a NaN or ∞, or of nothing but −∞, becomes NaN where it counts. Only
// logSumExp is ∞ where ∞ counts, and −∞ for nothing but −∞.
//
// `top` below is the largest value that counts, which keeps exp from overflowing.
import { exponentials, largestOf, placeAt, shiftOf } from "./exponentials";
import { Lanes } from "./lanes";
import { Vector } from "./transcendental";

/** out = exp(x − top) / Σ exp(x − top); 0 at places that do not count. */
export function softmax<Float>(rows: i32, n: i32, x: usize, mask: usize, out: usize): void {
  const row = <usize>n * sizeof<Float>();
  for (let r = 0; r < rows; r++) {
    const sum = exponentials<Float>(n, x, mask, topOf<Float>(n, x, mask), out);
    const scale = v128.splat<Float>(<Float>(1 / sum));
    for (let j = 0; j < n; j += Lanes.count<Float>()) {
      const at = out + <usize>j * sizeof<Float>();
      const y = v128.mul<Float>(Lanes.load<Float>(at, n - j), scale);
      Lanes.store<Float>(at, Lanes.select(y, Lanes.counted<Float>(placeAt(mask, j), n - j)), n - j);
    }
    x += row;
    out += row;
    mask = placeAt(mask, n);
  }
}

/** out = x − logSumExp(x); −∞ at places that do not count. */
export function logSoftmax<Float>(rows: i32, n: i32, x: usize, mask: usize, out: usize): void {
  const row = <usize>n * sizeof<Float>();
  for (let r = 0; r < rows; r++) {
    const top = topOf<Float>(n, x, mask);
    const sum = exponentials<Float>(n, x, mask, top, 0);
    const shift = v128.splat<Float>(top);
    const log = v128.splat<Float>(<Float>NativeMath.log(sum));
    for (let j = 0; j < n; j += Lanes.count<Float>()) {
      const at = <usize>j * sizeof<Float>();
      const y = v128.sub<Float>(v128.sub<Float>(Lanes.load<Float>(x + at, n - j), shift), log);
      const counted = Lanes.counted<Float>(placeAt(mask, j), n - j);
      Lanes.store<Float>(out + at, v128.bitselect(y, v128.splat<Float>(-Infinity), counted), n - j);
    }
    x += row;
    out += row;
    mask = placeAt(mask, n);
  }
}

/** out[row] = top + log Σ exp(x − top); −∞ if nothing counts, ∞ if an ∞ does. */
export function logSumExp<Float>(rows: i32, n: i32, x: usize, mask: usize, out: usize): void {
  for (let r = 0; r < rows; r++) {
    const top = min(topOf<Float>(n, x, mask), largest<Float>()); // ∞ − ∞ would hide whether a NaN is there
    const sum = exponentials<Float>(n, x, mask, top, 0);
    store<Float>(out, <Float>(<f64>top + NativeMath.log(sum)));
    x += <usize>n * sizeof<Float>();
    out += sizeof<Float>();
    mask = placeAt(mask, n);
  }
}

/**
 * into = y (dy − Σ y·dy) + beta · into, where places with y = 0 neither give nor receive, whatever dy is, and a row of
 * dy = 0 receives 0, whatever y is.
 */
export function softmaxGrad<Float>(rows: i32, n: i32, y: usize, dy: usize, into: usize, beta: i32): void {
  const row = <usize>n * sizeof<Float>();
  for (let r = 0; r < rows; r++) {
    let sum: f64 = 0;
    for (let j = 0; j < n; j += Lanes.count<Float>()) {
      const at = <usize>j * sizeof<Float>();
      const p = Lanes.load<Float>(y + at, n - j);
      sum += Lanes.sum<Float>(Lanes.product<Float>(p, Lanes.load<Float>(dy + at, n - j)));
    }
    const mean = v128.splat<Float>(<Float>sum);
    for (let j = 0; j < n; j += Lanes.count<Float>()) {
      const at = <usize>j * sizeof<Float>();
      const p = Lanes.load<Float>(y + at, n - j);
      const term = Lanes.product<Float>(p, v128.sub<Float>(Lanes.load<Float>(dy + at, n - j), mean));
      accumulate<Float>(into + at, term, n - j, beta);
    }
    y += row;
    dy += row;
    into += row;
  }
}

/** into = dy − exp(y) · Σ dy + beta · into at places that count. Where Σ dy is 0, so is its share, whatever y is. */
export function logSoftmaxGrad<Float>(
  rows: i32,
  n: i32,
  y: usize,
  mask: usize,
  dy: usize,
  into: usize,
  beta: i32,
): void {
  const row = <usize>n * sizeof<Float>();
  for (let r = 0; r < rows; r++) {
    let sum: f64 = 0;
    for (let j = 0; j < n; j += Lanes.count<Float>()) {
      const d = Lanes.load<Float>(dy + <usize>j * sizeof<Float>(), n - j);
      sum += Lanes.sum<Float>(Lanes.select(d, Lanes.counted<Float>(placeAt(mask, j), n - j)));
    }
    const total = v128.splat<Float>(<Float>sum);
    const live = v128.ne<Float>(total, Lanes.zero());
    for (let j = 0; j < n; j += Lanes.count<Float>()) {
      const at = <usize>j * sizeof<Float>();
      const share = v128.mul<Float>(Vector.exp<Float>(Lanes.load<Float>(y + at, n - j)), total);
      const term = v128.sub<Float>(Lanes.load<Float>(dy + at, n - j), Lanes.select(share, live));
      const counted = Lanes.counted<Float>(placeAt(mask, j), n - j);
      accumulate<Float>(into + at, Lanes.select(term, counted), n - j, beta);
    }
    y += row;
    dy += row;
    into += row;
    mask = placeAt(mask, n);
  }
}

/** into = exp(x − y[row]) · dy[row] + beta · into; the term is 0 where dy is 0, y −∞, or the place does not count. */
export function logSumExpGrad<Float>(
  rows: i32,
  n: i32,
  x: usize,
  mask: usize,
  y: usize,
  dy: usize,
  into: usize,
  beta: i32,
): void {
  for (let r = 0; r < rows; r++) {
    const live = load<Float>(y) != -Infinity && load<Float>(dy) != 0;
    const log = v128.splat<Float>(load<Float>(y));
    const factor = v128.splat<Float>(load<Float>(dy));
    for (let j = 0; j < n; j += Lanes.count<Float>()) {
      const at = <usize>j * sizeof<Float>();
      let term = Lanes.zero();
      if (live) {
        const p = Vector.exp<Float>(v128.sub<Float>(Lanes.load<Float>(x + at, n - j), log));
        term = Lanes.select(v128.mul<Float>(p, factor), Lanes.counted<Float>(placeAt(mask, j), n - j));
      }
      accumulate<Float>(into + at, term, n - j, beta);
    }
    x += <usize>n * sizeof<Float>();
    into += <usize>n * sizeof<Float>();
    y += sizeof<Float>();
    dy += sizeof<Float>();
    mask = placeAt(mask, n);
  }
}

/** The largest value that counts, 0 for want of one above −∞. */
@inline
function topOf<Float>(n: i32, x: usize, mask: usize): Float {
  return shiftOf<Float>(largestOf<Float>(n, x, mask));
}

function largest<Float>(): Float {
  return sizeof<Float>() == 4 ? <Float>f32.MAX_VALUE : <Float>f64.MAX_VALUE;
}

@inline
function accumulate<Float>(into: usize, term: v128, left: i32, beta: i32): void {
  Lanes.store<Float>(into, beta ? v128.add<Float>(Lanes.load<Float>(into, left), term) : term, left);
}
