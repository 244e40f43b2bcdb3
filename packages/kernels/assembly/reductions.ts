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
  const step = <usize>inner * sizeof<Float>();
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < inner; j += Lanes.count<Float>()) {
      const from = x + <usize>j * sizeof<Float>();
      if (inner == 1) store<Float>(out, maxOfRow<Float>(n, from));
      else Lanes.store<Float>(out, maxOfColumns<Float>(n, from, step, inner - j), inner - j);
      out += <usize>min(inner - j, Lanes.count<Float>()) * sizeof<Float>();
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

function loadPair<Float>(from: usize): v128 {
  return sizeof<Float>() == 4 ? f64x2.promote_low_f32x4(v128.load64_zero(from)) : v128.load(from);
}

function storePair<Float>(to: usize, pair: v128): void {
  if (sizeof<Float>() == 4) v128.store64_lane(to, f32x4.demote_f64x2_zero(pair), 0);
  else v128.store(to, pair);
}

/** As many neighbouring columns as a vector has lanes, or the `left` last ones. */
function maxOfColumns<Float>(n: i32, x: usize, step: usize, left: i32): v128 {
  let m = v128.splat<Float>(-Infinity);
  for (let k = 0; k < n; k++) {
    m = v128.max<Float>(m, Lanes.load<Float>(x, left));
    x += step;
  }
  return m;
}

/** Two chains, since a max that minds NaN takes its time. */
function maxOfRow<Float>(n: i32, x: usize): Float {
  let even = v128.splat<Float>(-Infinity);
  let odd = even;
  let k = 0;
  for (; k + 2 * Lanes.count<Float>() <= n; k += 2 * Lanes.count<Float>()) {
    even = v128.max<Float>(even, v128.load(x));
    odd = v128.max<Float>(odd, v128.load(x, 16));
    x += 32;
  }
  for (; k < n; k++) {
    even = v128.max<Float>(even, v128.load_splat<Float>(x));
    x += sizeof<Float>();
  }
  return Lanes.max<Float>(v128.max<Float>(even, odd));
}
