import { Lanes } from "./lanes";

/** One update of Adam in place, elementwise on padded buffers: m += rateM (g − m), v += rateV (g² − v), p −= size · m / (√v + floor). */
export function adam<Float>(
  n: i32,
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  rateM: Float,
  rateV: Float,
  size: Float,
  floor: Float,
): void {
  const rate1 = v128.splat<Float>(rateM);
  const rate2 = v128.splat<Float>(rateV);
  const factor = v128.splat<Float>(size);
  const least = v128.splat<Float>(floor);
  for (let i = 0; i < n; i += Lanes.count<Float>()) {
    const at = <usize>i * sizeof<Float>();
    const slope = v128.load(g + at);
    const oldM = v128.load(m + at);
    const oldV = v128.load(v + at);
    const mean = v128.add<Float>(oldM, v128.mul<Float>(v128.sub<Float>(slope, oldM), rate1));
    const square = v128.mul<Float>(slope, slope);
    const spread = v128.add<Float>(oldV, v128.mul<Float>(v128.sub<Float>(square, oldV), rate2));
    const change = v128.div<Float>(mean, v128.add<Float>(v128.sqrt<Float>(spread), least));
    v128.store(p + at, v128.sub<Float>(v128.load(p + at), v128.mul<Float>(change, factor)));
    v128.store(m + at, mean);
    v128.store(v + at, spread);
  }
}

/**
 * One update by gradient descent in place, elementwise on padded buffers: m = momentum · m + g, p −= size · m or, `ahead`,
 * size · (g + momentum · m). Without averages, m = 0: p −= size · g.
 */
export function sgd<Float>(n: i32, p: usize, g: usize, m: usize, momentum: Float, ahead: i32, size: Float): void {
  const rate = v128.splat<Float>(momentum);
  const factor = v128.splat<Float>(size);
  for (let i = 0; i < n; i += Lanes.count<Float>()) {
    const at = <usize>i * sizeof<Float>();
    const slope = v128.load(g + at);
    let change = slope;
    if (m) {
      change = v128.add<Float>(v128.mul<Float>(v128.load(m + at), rate), slope);
      v128.store(m + at, change);
      if (ahead) change = v128.add<Float>(v128.mul<Float>(change, rate), slope);
    }
    v128.store(p + at, v128.sub<Float>(v128.load(p + at), v128.mul<Float>(change, factor)));
  }
}

/** Adds x² to eight float64 sums, element i to sum i mod 8: the same sums however x is cut into pieces of 8·k. */
export function addSquares<Float>(n: i32, x: usize, sums: usize): void {
  let s0 = v128.load(sums);
  let s1 = v128.load(sums, 16);
  let s2 = v128.load(sums, 32);
  let s3 = v128.load(sums, 48);
  for (let i = 0; i < n; i += 8) {
    const at = x + <usize>i * sizeof<Float>();
    if (sizeof<Float>() == 8) {
      s0 = f64x2.add(s0, square(Lanes.load<f64>(at, n - i)));
      s1 = f64x2.add(s1, square(Lanes.load<f64>(at + 16, n - i - 2)));
      s2 = f64x2.add(s2, square(Lanes.load<f64>(at + 32, n - i - 4)));
      s3 = f64x2.add(s3, square(Lanes.load<f64>(at + 48, n - i - 6)));
    } else {
      const first = Lanes.load<f32>(at, n - i);
      const second = Lanes.load<f32>(at + 16, n - i - 4);
      s0 = f64x2.add(s0, square(f64x2.promote_low_f32x4(first)));
      s1 = f64x2.add(s1, square(f64x2.promote_low_f32x4(upper(first))));
      s2 = f64x2.add(s2, square(f64x2.promote_low_f32x4(second)));
      s3 = f64x2.add(s3, square(f64x2.promote_low_f32x4(upper(second))));
    }
  }
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
  v128.store(sums, s2, 32);
  v128.store(sums, s3, 48);
}

@inline
function square(x: v128): v128 {
  return f64x2.mul(x, x);
}

/** The upper half of a vector, in the lower. */
@inline
function upper(x: v128): v128 {
  return i64x2.shuffle(x, x, 1, 0);
}
