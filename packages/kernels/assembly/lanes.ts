// A vector has four float32 or two float64 lanes. Rows start and end anywhere: their last vector may be a partial one.

export class Lanes {
  @inline static count<Float>(): i32 {
    return 16 / <i32>sizeof<Float>();
  }

  @inline static zero(): v128 {
    return i32x4.splat(0);
  }

  /** `value` where `where` has ones, and 0 elsewhere, even if a NaN is there. */
  @inline static select(value: v128, where: v128): v128 {
    return v128.and(value, where);
  }

  /** a · b, but 0 where either is 0. */
  @inline static product<Float>(a: v128, b: v128): v128 {
    const live = v128.and(v128.ne<Float>(a, Lanes.zero()), v128.ne<Float>(b, Lanes.zero()));
    return Lanes.select(v128.mul<Float>(a, b), live);
  }

  /** Ones in the first `left` lanes. */
  @inline static first<Float>(left: i32): v128 {
    return v128.load(FIRST + ((<usize>(Lanes.count<Float>() - max(left, 0))) * sizeof<Float>()));
  }

  /** The first `left` lanes from memory, 0 in the others. Reads on behind them, where memory.ts keeps room. */
  @inline static load<Float>(from: usize, left: i32): v128 {
    const all = v128.load(from);
    return left >= Lanes.count<Float>() ? all : v128.and(all, Lanes.first<Float>(left));
  }

  /** Writes the first `left` lanes, of which there is one. */
  @inline static store<Float>(to: usize, value: v128, left: i32): void {
    if (left >= Lanes.count<Float>()) v128.store(to, value);
    else if (sizeof<Float>() == 8) v128.store64_lane(to, value, 0);
    else storeSome(to, value, left);
  }

  /** Ones in those of the first `left` lanes whose byte of the mask is not 0; mask 0 means no mask. */
  @inline static counted<Float>(mask: usize, left: i32): v128 {
    const all = mask == 0 ? i32x4.splat(-1) : notZero<Float>(mask);
    return left >= Lanes.count<Float>() ? all : v128.and(all, Lanes.first<Float>(left));
  }

  /** Two float64; of four float32 lanes, 0 and 2, 1 and 3 are added. */
  @inline static pair<Float>(value: v128): v128 {
    if (sizeof<Float>() == 8) return value;
    const high = i8x16.shuffle(value, value, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    return f64x2.add(f64x2.promote_low_f32x4(value), f64x2.promote_low_f32x4(high));
  }

  @inline static sum<Float>(value: v128): f64 {
    const pair = Lanes.pair<Float>(value);
    return f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
  }

  @inline static max<Float>(value: v128): Float {
    let m = max<Float>(v128.extract_lane<Float>(value, 0), v128.extract_lane<Float>(value, 1));
    if (sizeof<Float>() == 4) {
      m = max<Float>(m, max<Float>(v128.extract_lane<Float>(value, 2), v128.extract_lane<Float>(value, 3)));
    }
    return m;
  }
}

/** One to three lanes of float32; a function, for it stands behind many loops and is seldom reached. */
function storeSome(to: usize, value: v128, left: i32): void {
  if (left == 1) v128.store32_lane(to, value, 0);
  else {
    v128.store64_lane(to, value, 0);
    if (left == 3) v128.store32_lane(to, value, 2, 8);
  }
}

const FIRST = memory.data<i64>([-1, -1, 0, 0, 0]); // from k lanes on: ones in all but the last k

/** Ones in the lanes, as wide as `Item`, whose byte in memory is not 0. */
@inline
export function notZero<Item>(bytes: usize): v128 {
  if (sizeof<Item>() == 1) return i8x16.ne(v128.load(bytes), Lanes.zero());
  if (sizeof<Item>() == 4) {
    const lanes = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(bytes)));
    return i32x4.gt_s(lanes, Lanes.zero());
  }
  const lanes = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load16_splat(bytes)));
  return i64x2.gt_s(i64x2.extend_low_i32x4_u(lanes), Lanes.zero());
}

/** A square block of as many rows as a vector has lanes: what is a row in `from` becomes a column in `to`. */
@inline
export function transpose<Item>(from: usize, across: usize, to: usize, step: usize): void {
  const r0 = v128.load(from);
  const r1 = v128.load(from + across);
  if (sizeof<Item>() == 8) {
    v128.store(to, v128.shuffle<f64>(r0, r1, 0, 2));
    v128.store(to + step, v128.shuffle<f64>(r0, r1, 1, 3));
  } else {
    const r2 = v128.load(from + 2 * across);
    const r3 = v128.load(from + 3 * across);
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
    v128.store(to + step, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
    v128.store(to + 2 * step, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
    v128.store(to + 3 * step, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
  }
}
