// Functions of a vector: SIMD polynomials for float32 (those of exp, log and tanh are Cephes's), scalar NativeMath for
// float64. Both are part of the module, so that every engine gives the same bits, which its own Math need not.
//
// Where a constant is needed in a loop it is loaded: V8 would rebuild a v128.const at each use.
import { Lanes } from "./lanes";
import { erf, gelu, geluTanh, silu, softplus } from "./special";

const ONE = memory.data<f32>([1]);
const TWO = memory.data<f32>([2]);
const SIGN = memory.data<u32>([0x80000000]);

// exp x = 2^k · exp r, k = round(x / ln 2). ln 2 is split into a short part, whose product with k is exact, and a rest.
const LOWEST = memory.data<f32>([-120]); // exp, and exp times numbers up to 120, round to 0 from here down
const FLUSHED = memory.data<f32>([-86]);
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

const ALMOST_MINUS_1 = memory.data<f32>([-18]); // expm1 rounds to −1 from here down

const ERF_SPLIT = memory.data<f32>([0.9]);
const ERF_END = memory.data<f32>([4]); // erf rounds to 1 from here up
const ERF = memory.data<f32>([ // of erf(x) / x − 1, in x²
  -6.090360111556947e-4, 5.011962726712227e-3, -2.677890844643116e-2, 1.1282140761613846e-1, -3.761252462863922e-1,
  1.2837915122509003e-1,
]);
const SQRT_2 = memory.data<f32>([1.4142135623730951]);
const GELU_END = memory.data<f32>([14.5]); // x · Φ(−x) rounds to 0 from here up
const SHORT = memory.data<u32>([0xfffff000]);
const SHORT_HALF = memory.data<u32>([0x800]);
// Φ(−a) · exp(a² / 2) · (a + 2), in (a − 2) / (a + 2)
const TAIL = memory.data<f32>([
  9.702090756036341e-5, 6.031150696799159e-4, 7.93264654930681e-4, -1.8188406247645617e-3, -6.710515823215246e-3,
  -5.019819946028292e-4, 3.6714959889650345e-2, 2.8800243511795998e-2, -3.3140429854393005e-1, 6.724079847335815e-1,
]);

const TANH_SPLIT = memory.data<f32>([0.625]);
const TANH_END = memory.data<f32>([20]); // tanh rounds to 1 from half of it up
const TANH = memory.data<f32>([
  -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1,
]);

/** The errors are those of float32 over all its values. Subnormal results are rounded, not flushed. */
export class Vector {
  /** 1.0 ulp */
  @inline static exp<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.exp(x) : Float64.exp(x);
  }

  /** 1.0 ulp, for x up to 0, as in a softmax, or ∞; float32 results below 2^-124 are 0. Faster than exp. */
  @inline static expUpTo0<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.expUpTo0(x) : Float64.exp(x);
  }

  /** The same, not inlined: for the ends of rows. */
  static expAtEnd<Float>(x: v128): v128 {
    return Vector.expUpTo0<Float>(x);
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

  /** 1.5 ulp */
  @inline static expm1<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.expm1(x) : Float64.expm1(x);
  }

  /** 1.5 ulp */
  @inline static log1p<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.log1p(x) : Float64.log1p(x);
  }

  /** 1.5 ulp */
  @inline static erf<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.erf(x) : Float64.erf(x);
  }

  /** 2 ulp */
  @inline static softplus<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.softplus(x) : Float64.softplus(x);
  }

  /** 3 ulp */
  @inline static silu<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.silu(x) : Float64.silu(x);
  }

  /** 6 ulp */
  @inline static gelu<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.gelu(x) : Float64.gelu(x);
  }

  /** 3 ulp */
  @inline static geluTanh<Float>(x: v128): v128 {
    return sizeof<Float>() == 4 ? Float32.geluTanh(x) : Float64.geluTanh(x);
  }
}

class Float32 {
  @inline static exp(x: v128): v128 {
    const bounded = Float32.bounded(x);
    const k = Float32.exponent(bounded);
    return Float32.scaled(k, Float32.power(Float32.rest(bounded, k)));
  }

  /** No lower bound, and 2^k in one piece: what that spoils lies below FLUSHED. NaN is not less, and so it stays. */
  @inline static expUpTo0(x: v128): v128 {
    const bounded = f32x4.pmin(x, splat(HIGHEST)); // where k is 128, as for ∞, 2^k becomes ∞
    const k = Float32.exponent(bounded);
    const e = Float32.scaledOnce(k, Float32.power(Float32.rest(bounded, k)));
    return v128.andnot(e, f32x4.lt(x, splat(FLUSHED)));
  }

  /** pmin and pmax are one instruction each, and in this order they keep NaN. */
  @inline static bounded(x: v128): v128 {
    return f32x4.pmin(f32x4.pmax(x, splat(LOWEST)), splat(HIGHEST));
  }

  /** x / ln 2 rounded, with the rounder added to it. */
  @inline static exponent(x: v128): v128 {
    return f32x4.add(f32x4.mul(x, splat(LOG2_E)), splat(ROUNDER));
  }

  /** r = x − k ln 2 */
  @inline static rest(x: v128, k: v128): v128 {
    const rounded = f32x4.sub(k, splat(ROUNDER));
    const r = f32x4.sub(x, f32x4.mul(rounded, splat(LN2_SHORT)));
    return f32x4.sub(r, f32x4.mul(rounded, splat(LN2_REST)));
  }

  /** exp r − 1 for small r */
  @inline static power1(r: v128): v128 {
    let p = splat(EXP);
    p = step(p, r, EXP + 4);
    p = step(p, r, EXP + 8);
    p = step(p, r, EXP + 12);
    p = step(p, r, EXP + 16);
    p = step(p, r, EXP + 20);
    return f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r);
  }

  @inline static power(r: v128): v128 {
    return f32x4.add(Float32.power1(r), splat(ONE));
  }

  /** y · 2^k in two steps, so that no factor leaves the normal range; shifting k drops the rounder's own bits. */
  @inline static scaled(k: v128, y: v128): v128 {
    const one = splat(ONE);
    const half = i32x4.shl(i32x4.shr_s(k, 1), 23);
    const rest = i32x4.sub(i32x4.shl(k, 23), half);
    return f32x4.mul(f32x4.mul(y, i32x4.add(half, one)), i32x4.add(rest, one));
  }

  /** y · 2^k where 2^k is normal, or ∞ for k = 128. */
  @inline static scaledOnce(k: v128, y: v128): v128 {
    return f32x4.mul(y, i32x4.add(i32x4.shl(k, 23), splat(ONE)));
  }

  /** 2^k (exp r − 1) + (2^k − 1), all of it halved so that 2^128 does not occur; exp r − 1 alone where k is 0. */
  @inline static expm1(x: v128): v128 {
    const bounded = f32x4.pmin(f32x4.pmax(x, splat(ALMOST_MINUS_1)), splat(HIGHEST));
    const k = Float32.exponent(bounded);
    const p = Float32.power1(Float32.rest(bounded, k));
    const half = i32x4.add(i32x4.shl(k, 23), splat(HALF));
    const y = f32x4.add(f32x4.mul(p, half), f32x4.sub(half, splat(HALF)));
    return withSign(v128.bitselect(p, f32x4.add(y, y), f32x4.eq(k, splat(ROUNDER))), x);
  }

  @inline static log1p(x: v128): v128 {
    const u = f32x4.add(x, splat(ONE));
    const honest = v128.or(f32x4.eq(u, Lanes.zero()), f32x4.eq(u, splat(INFINITY)));
    return withSign(f32x4.add(Float32.log(u), v128.andnot(Float32.lost(x, u), honest)), x);
  }

  /** What log(1 + x) lacks because u = 1 + x was rounded. */
  @inline static lost(x: v128, u: v128): v128 {
    return f32x4.div(f32x4.sub(x, f32x4.sub(u, splat(ONE))), u);
  }

  /** max(x, 0) + log(1 + t), t = exp(−|x|) */
  @inline static softplus(x: v128): v128 {
    const t = Float32.exp(v128.or(x, splat(SIGN)));
    const u = f32x4.add(t, splat(ONE));
    return f32x4.add(f32x4.pmax(x, Lanes.zero()), f32x4.add(Float32.log(u), Float32.lost(t, u)));
  }

  @inline static silu(x: v128): v128 {
    const bounded = f32x4.pmax(x, splat(LOWEST));
    return Float32.gated(bounded, v128.or(bounded, splat(SIGN)), Lanes.zero());
  }

  /** x · σ(2u), with u = √(2/π) (x + 0.044715 x³) in float64, as exp multiplies an error by u. */
  @inline static geluTanh(x: v128): v128 {
    const bounded = f32x4.pmax(x, f32x4.neg(splat(GELU_END)));
    const a = f32x4.pmin(f32x4.abs(bounded), splat(GELU_END));
    const low = Float32.minus2u(f64x2.promote_low_f32x4(a));
    const high = Float32.minus2u(f64x2.promote_low_f32x4(i64x2.shuffle(a, a, 1, 0)));
    const short = f32x4.demote_f64x2_zero(low);
    const shortHigh = f32x4.demote_f64x2_zero(high);
    const rest = f32x4.demote_f64x2_zero(f64x2.sub(low, f64x2.promote_low_f32x4(short)));
    const restHigh = f32x4.demote_f64x2_zero(f64x2.sub(high, f64x2.promote_low_f32x4(shortHigh)));
    return Float32.gated(bounded, i64x2.shuffle(short, shortHigh, 0, 2), i64x2.shuffle(rest, restHigh, 0, 2));
  }

  @inline static minus2u(a: v128): v128 {
    const slope = f64x2.add(f64x2.mul(f64x2.mul(a, a), f64x2.splat(0.044715)), f64x2.splat(1));
    return f64x2.mul(f64x2.mul(a, f64x2.splat(-1.5957691216057308)), slope);
  }

  /** x / (1 + t) for x ≥ 0, x · t / (1 + t) below, t = exp(short + rest). Small products are rounded once. */
  @inline static gated(x: v128, short: v128, rest: v128): v128 {
    const bounded = Float32.bounded(short);
    const k = Float32.exponent(bounded);
    const p = Float32.power(f32x4.add(Float32.rest(bounded, k), rest));
    const top = v128.bitselect(x, Float32.scaled(k, f32x4.mul(p, x)), f32x4.ge(x, Lanes.zero()));
    return f32x4.div(top, f32x4.add(Float32.scaled(k, p), splat(ONE)));
  }

  /** A polynomial below 0.9, which keeps tiny values exact, 1 − 2 Φ(−√2 t) above; the sign of x. */
  @inline static erf(x: v128): v128 {
    const t = f32x4.pmin(f32x4.abs(x), splat(ERF_END));
    const square = f32x4.mul(t, t);
    let p = splat(ERF);
    p = step(p, square, ERF + 4);
    p = step(p, square, ERF + 8);
    p = step(p, square, ERF + 12);
    p = step(p, square, ERF + 16);
    p = step(p, square, ERF + 20);
    const small = f32x4.add(f32x4.mul(p, t), t);
    const tail = Float32.tail(t, splat(ONE), f32x4.mul(t, splat(SQRT_2)), splat(TWO));
    const large = f32x4.sub(splat(ONE), tail);
    return withSign(v128.bitselect(small, large, f32x4.lt(t, splat(ERF_SPLIT))), x);
  }

  /** x · Φ(x) = max(x, 0) − |x| · Φ(−|x|) */
  @inline static gelu(x: v128): v128 {
    const a = f32x4.pmin(f32x4.abs(x), splat(GELU_END));
    return withSign(f32x4.sub(f32x4.pmax(x, Lanes.zero()), Float32.tail(a, splat(HALF), a, a)), x);
  }

  /** factor · Φ(−a), where a² / 2 = scale · x². exp would multiply an error of x²: it is split, its short part exact. */
  @inline static tail(x: v128, scale: v128, a: v128, factor: v128): v128 {
    const short = v128.and(i32x4.add(x, splat(SHORT_HALF)), splat(SHORT));
    const missing = f32x4.mul(f32x4.mul(f32x4.sub(x, short), f32x4.add(x, short)), scale);
    const power = f32x4.neg(f32x4.mul(f32x4.mul(short, short), scale));
    const k = Float32.exponent(power);
    const e = Float32.power(f32x4.sub(Float32.rest(power, k), missing));
    const u = f32x4.div(splat(ONE), f32x4.add(a, splat(TWO)));
    const w = f32x4.mul(f32x4.sub(a, splat(TWO)), u);
    let p = splat(TAIL);
    p = step(p, w, TAIL + 4);
    p = step(p, w, TAIL + 8);
    p = step(p, w, TAIL + 12);
    p = step(p, w, TAIL + 16);
    p = step(p, w, TAIL + 20);
    p = step(p, w, TAIL + 24);
    p = step(p, w, TAIL + 28);
    p = step(p, w, TAIL + 32);
    p = step(p, w, TAIL + 36);
    return Float32.scaled(k, f32x4.mul(f32x4.mul(e, p), f32x4.mul(u, factor)));
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
    const bounded = f32x4.pmin(f32x4.add(t, t), splat(TANH_END));
    const k = Float32.exponent(bounded);
    const e = Float32.scaledOnce(k, Float32.power(Float32.rest(bounded, k)));
    const large = f32x4.sub(splat(ONE), f32x4.div(splat(TWO), f32x4.add(e, splat(ONE))));
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

  @inline static expm1(x: v128): v128 {
    return f64x2(NativeMath.expm1(f64x2.extract_lane(x, 0)), NativeMath.expm1(f64x2.extract_lane(x, 1)));
  }

  @inline static log1p(x: v128): v128 {
    return f64x2(NativeMath.log1p(f64x2.extract_lane(x, 0)), NativeMath.log1p(f64x2.extract_lane(x, 1)));
  }

  @inline static erf(x: v128): v128 {
    return f64x2(erf(f64x2.extract_lane(x, 0)), erf(f64x2.extract_lane(x, 1)));
  }

  @inline static softplus(x: v128): v128 {
    return f64x2(softplus(f64x2.extract_lane(x, 0)), softplus(f64x2.extract_lane(x, 1)));
  }

  @inline static silu(x: v128): v128 {
    return f64x2(silu(f64x2.extract_lane(x, 0)), silu(f64x2.extract_lane(x, 1)));
  }

  @inline static gelu(x: v128): v128 {
    return f64x2(gelu(f64x2.extract_lane(x, 0)), gelu(f64x2.extract_lane(x, 1)));
  }

  @inline static geluTanh(x: v128): v128 {
    return f64x2(geluTanh(f64x2.extract_lane(x, 0)), geluTanh(f64x2.extract_lane(x, 1)));
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

@inline
function withSign(y: v128, x: v128): v128 {
  return v128.or(y, v128.and(x, splat(SIGN)));
}
