// x is [outer, n, inner]; out is [outer, inner].
import { Lanes } from "./lanes";

/**
 * Each sum runs in order in one float64 accumulator, so that zeros put in between change no bit. What runs side by side
 * are the sums of neighbouring columns or rows.
 */
export function sum<Float>(outer: i32, n: i32, inner: i32, x: usize, out: usize): void {
  if (inner == 1) return sumRows<Float>(outer, n, x, out);
  const step = <usize>inner * sizeof<Float>();
  for (let o = 0; o < outer; o++) {
    let j = 0;
    for (; j + 8 <= inner; j += 8) {
      sumColumns<Float>(n, x + <usize>j * sizeof<Float>(), step, out);
      out += 8 * sizeof<Float>();
    }
    for (; j < inner; j++) {
      store<Float>(out, <Float>sumOne<Float>(n, x + <usize>j * sizeof<Float>(), step));
      out += sizeof<Float>();
    }
    x += <usize>n * step;
  }
}

/** The largest value; NaN if there is one, −∞ if n is 0. */
export function max<Float>(outer: i32, n: i32, inner: i32, x: usize, out: usize): void {
  extreme<Float>(outer, n, inner, x, out, Lanes.zero());
}

/** The smallest value; NaN if there is one, ∞ if n is 0. */
export function min<Float>(outer: i32, n: i32, inner: i32, x: usize, out: usize): void {
  extreme<Float>(outer, n, inner, x, out, v128.splat<Float>(<Float>-0.0));
}

/** out[row] = √Σ x² over rows of n. The sums are those of `squares`. */
export function norm<Float>(rows: i32, n: i32, x: usize, out: usize): void {
  for (let i = 0; i < rows; i++) {
    store<Float>(out, <Float>sqrt(squares<Float>(n, x, 0)));
    x += <usize>n * sizeof<Float>();
    out += sizeof<Float>();
  }
}

/** out[row] = Σ (x − mean)² / divisor over rows of n. The sums are those of `squares`. */
export function variance<Float>(rows: i32, n: i32, x: usize, out: usize, divisor: f64): void {
  for (let i = 0; i < rows; i++) {
    store<Float>(out, <Float>(squares<Float>(n, x, total<Float>(n, x) / n) / divisor));
    x += <usize>n * sizeof<Float>();
    out += sizeof<Float>();
  }
}

/** The largest value after its sign is flipped by `flip`, 0 or the sign bits, flipped back. */
function extreme<Float>(outer: i32, n: i32, inner: i32, x: usize, out: usize, flip: v128): void {
  const step = <usize>inner * sizeof<Float>();
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < inner; j += Lanes.count<Float>()) {
      const from = x + <usize>j * sizeof<Float>();
      const left = inner - j;
      const most = inner == 1 ? maxOfRow<Float>(n, from, flip) : maxOfColumns<Float>(n, from, step, left, flip);
      Lanes.store<Float>(out, v128.xor(most, flip), left);
      out += <usize>(left < Lanes.count<Float>() ? left : Lanes.count<Float>()) * sizeof<Float>();
    }
    x += <usize>n * step;
  }
}

function sumRows<Float>(rows: i32, n: i32, x: usize, out: usize): void {
  const row = <usize>n * sizeof<Float>();
  let i = 0;
  for (; i + 4 <= rows; i += 4) {
    let s0: f64 = 0;
    let s1: f64 = 0;
    let s2: f64 = 0;
    let s3: f64 = 0;
    let p = x;
    for (let k = 0; k < n; k++) {
      s0 += <f64>load<Float>(p);
      s1 += <f64>load<Float>(p + row);
      s2 += <f64>load<Float>(p + 2 * row);
      s3 += <f64>load<Float>(p + 3 * row);
      p += sizeof<Float>();
    }
    store<Float>(out, <Float>s0);
    store<Float>(out, <Float>s1, sizeof<Float>());
    store<Float>(out, <Float>s2, 2 * sizeof<Float>());
    store<Float>(out, <Float>s3, 3 * sizeof<Float>());
    x += 4 * row;
    out += 4 * sizeof<Float>();
  }
  for (; i < rows; i++) {
    store<Float>(out, <Float>sumOne<Float>(n, x, sizeof<Float>()));
    x += row;
    out += sizeof<Float>();
  }
}

function sumOne<Float>(n: i32, x: usize, step: usize): f64 {
  let s: f64 = 0;
  for (let k = 0; k < n; k++) {
    s += <f64>load<Float>(x);
    x += step;
  }
  return s;
}

/** Eight neighbouring columns. */
function sumColumns<Float>(n: i32, x: usize, step: usize, out: usize): void {
  let s0 = Lanes.zero();
  let s1 = Lanes.zero();
  let s2 = Lanes.zero();
  let s3 = Lanes.zero();
  for (let k = 0; k < n; k++) {
    s0 = f64x2.add(s0, loadPair<Float>(x));
    s1 = f64x2.add(s1, loadPair<Float>(x + 2 * sizeof<Float>()));
    s2 = f64x2.add(s2, loadPair<Float>(x + 4 * sizeof<Float>()));
    s3 = f64x2.add(s3, loadPair<Float>(x + 6 * sizeof<Float>()));
    x += step;
  }
  storePair<Float>(out, s0);
  storePair<Float>(out + 2 * sizeof<Float>(), s1);
  storePair<Float>(out + 4 * sizeof<Float>(), s2);
  storePair<Float>(out + 6 * sizeof<Float>(), s3);
}

@inline
function loadPair<Float>(from: usize): v128 {
  return sizeof<Float>() == 4 ? f64x2.promote_low_f32x4(v128.load64_zero(from)) : v128.load(from);
}

function storePair<Float>(to: usize, pair: v128): void {
  if (sizeof<Float>() == 4) v128.store64_lane(to, f32x4.demote_f64x2_zero(pair), 0);
  else v128.store(to, pair);
}

/** As many neighbouring columns as a vector has lanes, or the `left` last ones. */
function maxOfColumns<Float>(n: i32, x: usize, step: usize, left: i32, flip: v128): v128 {
  let m = v128.splat<Float>(-Infinity);
  for (let k = 0; k < n; k++) {
    m = v128.max<Float>(m, v128.xor(Lanes.load<Float>(x, left), flip));
    x += step;
  }
  return m;
}

/** Two chains, since a max that minds NaN takes its time. */
function maxOfRow<Float>(n: i32, x: usize, flip: v128): v128 {
  let even = v128.splat<Float>(-Infinity);
  let odd = even;
  let k = 0;
  for (; k + 2 * Lanes.count<Float>() <= n; k += 2 * Lanes.count<Float>()) {
    even = v128.max<Float>(even, v128.xor(v128.load(x), flip));
    odd = v128.max<Float>(odd, v128.xor(v128.load(x, 16), flip));
    x += 32;
  }
  for (; k < n; k++) {
    even = v128.max<Float>(even, v128.xor(v128.load_splat<Float>(x), flip));
    x += sizeof<Float>();
  }
  return v128.splat<Float>(Lanes.max<Float>(v128.max<Float>(even, odd)));
}

/** Σ x in eight float64 sums, element i in sum i mod 8, which are then added in order. */
function total<Float>(n: i32, x: usize): f64 {
  let s0 = Lanes.zero();
  let s1 = Lanes.zero();
  let s2 = Lanes.zero();
  let s3 = Lanes.zero();
  for (let i = 0; i < n; i += 8) {
    s0 = f64x2.add(s0, loadPartOfPair<Float>(x, n - i));
    s1 = f64x2.add(s1, loadPartOfPair<Float>(x + 2 * sizeof<Float>(), n - i - 2));
    s2 = f64x2.add(s2, loadPartOfPair<Float>(x + 4 * sizeof<Float>(), n - i - 4));
    s3 = f64x2.add(s3, loadPartOfPair<Float>(x + 6 * sizeof<Float>(), n - i - 6));
    x += 8 * sizeof<Float>();
  }
  return inOrder(s0, s1, s2, s3);
}

/** Σ (x − mean)², likewise. */
function squares<Float>(n: i32, x: usize, mean: f64): f64 {
  const middle = f64x2.splat(mean);
  let s0 = Lanes.zero();
  let s1 = Lanes.zero();
  let s2 = Lanes.zero();
  let s3 = Lanes.zero();
  for (let i = 0; i < n; i += 8) {
    s0 = f64x2.add(s0, square<Float>(x, n - i, middle));
    s1 = f64x2.add(s1, square<Float>(x + 2 * sizeof<Float>(), n - i - 2, middle));
    s2 = f64x2.add(s2, square<Float>(x + 4 * sizeof<Float>(), n - i - 4, middle));
    s3 = f64x2.add(s3, square<Float>(x + 6 * sizeof<Float>(), n - i - 6, middle));
    x += 8 * sizeof<Float>();
  }
  return inOrder(s0, s1, s2, s3);
}

/** (x − mean)² of two elements, 0 for those behind the `left` first. */
@inline
function square<Float>(x: usize, left: i32, mean: v128): v128 {
  const rest = f64x2.sub(loadPair<Float>(x), mean);
  const term = f64x2.mul(rest, rest);
  return left >= 2 ? term : v128.and(term, Lanes.first<f64>(left));
}

@inline
function loadPartOfPair<Float>(x: usize, left: i32): v128 {
  const pair = loadPair<Float>(x);
  return left >= 2 ? pair : v128.and(pair, Lanes.first<f64>(left));
}

function inOrder(s0: v128, s1: v128, s2: v128, s3: v128): f64 {
  const sum = f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1) + f64x2.extract_lane(s1, 0);
  const more = sum + f64x2.extract_lane(s1, 1) + f64x2.extract_lane(s2, 0) + f64x2.extract_lane(s2, 1);
  return more + f64x2.extract_lane(s3, 0) + f64x2.extract_lane(s3, 1);
}
