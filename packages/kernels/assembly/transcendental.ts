// exp, log, tanh and sigmoid of a vector: SIMD polynomials (Cephes) for float32, scalar NativeMath for float64. Both
// are part of the module, so that every engine gives the same bits, which its own Math need not.
//
// Where a constant is needed in a loop it is loaded: V8 would rebuild a v128.const at each use.
import { Lanes } from "./lanes";

const ONE = memory.data<f32>([1]);
const TWO = memory.data<f32>([2]);
const SIGN = memory.data<u32>([0x80000000]);

// exp x = 2^k · exp r, k = round(x / ln 2). ln 2 is split into a short part, whose product with k is exact, and a rest.
const LOWEST = memory.data<f32>([-104]); // exp rounds to 0 from here down
const HIGHEST = memory.data<f32>([89]); // and to ∞ from here up
const LOG2_E = memory.data<f32>([1.44269504088896341]);
const ROUNDER = memory.data<f32>([12582912]); // 1.5 · 2²³: adding it leaves k in the low bits
const LN2_SHORT = memory.data<f32>([0.693359375]);
const LN2_REST = memory.data<f32>([-2.1219444e-4]);
const EXP = memory.data<f32>([
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
]);

const SMALLEST_NORMAL = memory.data<f32>([1.1754943508222875e-38]);
const TWO_23 = memory.data<f32>([8388608]);
const SCALED_BY = memory.data<f32>([23]);
const FRACTION = memory.data<u32>([0x007fffff]);
const BIAS = memory.data<i32>([126]); // of a fraction in [½, 1)
const SQRT_HALF = memory.data<f32>([0.707106781186547524]);
const HALF = memory.data<f32>([0.5]);
const INFINITY = memory.data<f32>([Infinity]);
const MINUS_INFINITY = memory.data<f32>([-Infinity]);
const LOG = memory.data<f32>([
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
]);

const TANH_SPLIT = memory.data<f32>([0.625]);
const TANH = memory.data<f32>([
  -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1,
]);

/** The errors are those of float32 over all its values. Subnormal results are rounded, not flushed. */
export class Vector {
  /** 1.0 ulp */
  @inline static exp<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.exp(x) : Float64.exp(x);
  }

  /** 0.8 ulp */
  @inline static log<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.log(x) : Float64.log(x);
  }

  /** 1.3 ulp */
  @inline static tanh<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.tanh(x) : Float64.tanh(x);
  }

  /** 2.3 ulp. t = exp(−|x|); 1 / (1 + t) for x ≥ 0, t / (1 + t) below: no overflow, and small results stay accurate. */
  @inline static sigmoid<Float>(x: v128): v128 {
    const one = sizeof<Float>() == 4 ? splat(ONE) : f64x2.splat(1);
    const t = Vector.exp<Float>(v128.neg<Float>(v128.abs<Float>(x)));
    const top = v128.bitselect(one, t, v128.ge<Float>(x, Lanes.zero()));
    return v128.div<Float>(top, v128.add<Float>(one, t));
  }
}

class Float32 {
  @inline static exp(x: v128): v128 {
    // pmin and pmax are one instruction each, and in this order they keep NaN.
    const bounded = f32x4.pmin(f32x4.pmax(x, splat(LOWEST)), splat(HIGHEST));
    const one = splat(ONE);
    const rounder = splat(ROUNDER);
    const k = f32x4.add(f32x4.mul(bounded, splat(LOG2_E)), rounder);
    const rounded = f32x4.sub(k, rounder);
    let r = f32x4.sub(bounded, f32x4.mul(rounded, splat(LN2_SHORT)));
    r = f32x4.sub(r, f32x4.mul(rounded, splat(LN2_REST)));
    let p = splat(EXP);
    p = step(p, r, EXP + 4);
    p = step(p, r, EXP + 8);
    p = step(p, r, EXP + 12);
    p = step(p, r, EXP + 16);
    p = step(p, r, EXP + 20);
    p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), one);
    // 2^k in two factors, so that neither leaves the normal range; shifting drops the rounder's own bits.
    const half = i32x4.shl(i32x4.shr_s(k, 1), 23);
    const rest = i32x4.sub(i32x4.shl(k, 23), half);
    return f32x4.mul(f32x4.mul(p, i32x4.add(half, one)), i32x4.add(rest, one));
  }

  /** x = 2^e · m with √½ ≤ m < √2; log x = e · ln 2 + log m. */
  @inline static log(x: v128): v128 {
    const subnormal = f32x4.lt(x, splat(SMALLEST_NORMAL));
    const scaled = v128.bitselect(f32x4.mul(x, splat(TWO_23)), x, subnormal);
    const fraction = v128.or(v128.and(scaled, splat(FRACTION)), splat(HALF));
    const low = f32x4.lt(fraction, splat(SQRT_HALF));
    let e = f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(scaled, 23), splat(BIAS)));
    e = f32x4.sub(e, Lanes.select(splat(ONE), low));
    e = f32x4.sub(e, Lanes.select(splat(SCALED_BY), subnormal));
    const f = f32x4.add(f32x4.sub(fraction, splat(ONE)), Lanes.select(fraction, low));
    const square = f32x4.mul(f, f);
    let p = splat(LOG);
    p = step(p, f, LOG + 4);
    p = step(p, f, LOG + 8);
    p = step(p, f, LOG + 12);
    p = step(p, f, LOG + 16);
    p = step(p, f, LOG + 20);
    p = step(p, f, LOG + 24);
    p = step(p, f, LOG + 28);
    p = step(p, f, LOG + 32);
    p = f32x4.mul(f32x4.mul(p, f), square);
    p = f32x4.add(p, f32x4.mul(e, splat(LN2_REST)));
    p = f32x4.sub(p, f32x4.mul(square, splat(HALF)));
    const y = f32x4.add(f32x4.add(f, p), f32x4.mul(e, splat(LN2_SHORT)));
    const zero = v128.bitselect(splat(MINUS_INFINITY), y, f32x4.eq(x, Lanes.zero()));
    const infinite = v128.bitselect(x, zero, f32x4.eq(x, splat(INFINITY)));
    return v128.or(infinite, v128.not(f32x4.ge(x, Lanes.zero()))); // all ones, a NaN, unless x ≥ 0
  }

  /** t = |x|; a polynomial below 0.625, which keeps tiny values exact, 1 − 2 / (exp 2t + 1) above; the sign of x. */
  @inline static tanh(x: v128): v128 {
    const sign = v128.and(x, splat(SIGN));
    const t = v128.xor(x, sign);
    const square = f32x4.mul(t, t);
    let p = splat(TANH);
    p = step(p, square, TANH + 4);
    p = step(p, square, TANH + 8);
    p = step(p, square, TANH + 12);
    p = step(p, square, TANH + 16);
    const small = f32x4.add(f32x4.mul(f32x4.mul(p, square), t), t);
    const e = f32x4.add(Float32.exp(f32x4.add(t, t)), splat(ONE));
    const large = f32x4.sub(splat(ONE), f32x4.div(splat(TWO), e));
    return v128.or(v128.bitselect(small, large, f32x4.lt(t, splat(TANH_SPLIT))), sign);
  }
}

class Float64 {
  @inline static exp(x: v128): v128 {
    return f64x2(NativeMath.exp(f64x2.extract_lane(x, 0)), NativeMath.exp(f64x2.extract_lane(x, 1)));
  }

  @inline static log(x: v128): v128 {
    return f64x2(NativeMath.log(f64x2.extract_lane(x, 0)), NativeMath.log(f64x2.extract_lane(x, 1)));
  }

  @inline static tanh(x: v128): v128 {
    return f64x2(NativeMath.tanh(f64x2.extract_lane(x, 0)), NativeMath.tanh(f64x2.extract_lane(x, 1)));
  }
}

@inline
function splat(constant: usize): v128 {
  return v128.load32_splat(constant);
}

/** One step of Horner's scheme. */
@inline
function step(p: v128, x: v128, coefficient: usize): v128 {
  return f32x4.add(f32x4.mul(p, x), splat(coefficient));
}
