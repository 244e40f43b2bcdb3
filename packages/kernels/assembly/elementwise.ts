// Buffers are 64-byte aligned and padded to a multiple of 64 bytes: loops take two vectors a turn and have no tail.
import { Lanes, notZero } from "./lanes";
import { Vector } from "./transcendental";

export function neg<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Neg>(n, x, out);
}

export function exp<Float>(n: i32, x: usize, out: usize): void {
  map<Float, Exp>(n, x, out);
}

export function log<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Log>(n, x, out);
}

export function sqrt<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Sqrt>(n, x, out);
}

export function tanh<Float>(n: i32, x: usize, out: usize): void {
  map<Float, Tanh>(n, x, out);
}

export function sigmoid<Float>(n: i32, x: usize, out: usize): void {
  map<Float, Sigmoid>(n, x, out);
}

export function expm1<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Expm1>(n, x, out);
}

export function log1p<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Log1p>(n, x, out);
}

export function erf<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Erf>(n, x, out);
}

export function softplus<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Softplus>(n, x, out);
}

export function silu<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Silu>(n, x, out);
}

export function gelu<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Gelu>(n, x, out);
}

export function geluTanh<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, GeluTanh>(n, x, out);
}

export function abs<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Abs>(n, x, out);
}

/** −1, 1, or x itself where that is ±0 or NaN. */
export function sign<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Sign>(n, x, out);
}

export function square<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Square>(n, x, out);
}

export function reciprocal<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Reciprocal>(n, x, out);
}

export function rsqrt<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Rsqrt>(n, x, out);
}

/** x, but 0 where x ≤ 0. */
export function relu<Float>(n: i32, x: usize, out: usize): void {
  mapOne<Float, Relu>(n, x, out);
}

/** x, but slope · x where x ≤ 0. */
export function leakyRelu<Float>(n: i32, x: usize, out: usize, slope: Float): void {
  const factor = v128.splat<Float>(slope);
  for (let i = 0; i < n; i += Lanes.count<Float>()) {
    const value = v128.load(x);
    const low = v128.le<Float>(value, Lanes.zero());
    v128.store(out, v128.bitselect(v128.mul<Float>(factor, value), value, low));
    x += 16;
    out += 16;
  }
}

/** into = factor·x + beta·into, with a factor that is not 0. */
export function scale<Float>(n: i32, x: usize, into: usize, factor: Float, beta: i32): void {
  const by = v128.splat<Float>(factor);
  for (let i = 0; i < n; i += Lanes.count<Float>()) {
    const term = v128.mul<Float>(v128.load(x), by);
    v128.store(into, beta ? v128.add<Float>(v128.load(into), term) : term);
    x += 16;
    into += 16;
  }
}

/** x, but lowest below it and highest above it. */
export function clip<Float>(n: i32, x: usize, out: usize, lowest: Float, highest: Float): void {
  const bottom = v128.splat<Float>(lowest);
  const top = v128.splat<Float>(highest);
  for (let i = 0; i < n; i += Lanes.count<Float>()) {
    const value = v128.load(x);
    const raised = v128.bitselect(bottom, value, v128.lt<Float>(value, bottom));
    v128.store(out, v128.bitselect(top, raised, v128.gt<Float>(value, top)));
    x += 16;
    out += 16;
  }
}

export function add<Float>(n: i32, x: usize, y: usize, out: usize): void {
  zip<Float, Add>(n, x, y, out);
}

export function sub<Float>(n: i32, x: usize, y: usize, out: usize): void {
  zip<Float, Sub>(n, x, y, out);
}

export function mul<Float>(n: i32, x: usize, y: usize, out: usize): void {
  zip<Float, Mul>(n, x, y, out);
}

export function div<Float>(n: i32, x: usize, y: usize, out: usize): void {
  zip<Float, Div>(n, x, y, out);
}

/** x / y, 0 where y is 0. */
export function divNoNan<Float>(n: i32, x: usize, y: usize, out: usize): void {
  zip<Float, DivNoNan>(n, x, y, out);
}

/** x · y, 0 where y is 0, even if x is infinite or NaN. */
export function mulNoNan<Float>(n: i32, x: usize, y: usize, out: usize): void {
  zip<Float, MulNoNan>(n, x, y, out);
}

/** The larger; NaN where one is NaN; 0 above −0. */
export function maximum<Float>(n: i32, x: usize, y: usize, out: usize): void {
  zip<Float, Maximum>(n, x, y, out);
}

export function minimum<Float>(n: i32, x: usize, y: usize, out: usize): void {
  zip<Float, Minimum>(n, x, y, out);
}

/** out, in bytes, = 1 where the comparison holds and 0 elsewhere; nothing but ≠ holds for NaN. */
export function equal<Float>(n: i32, x: usize, y: usize, out: usize): void {
  compare<Float, Equal>(n, x, y, out);
}

export function notEqual<Float>(n: i32, x: usize, y: usize, out: usize): void {
  compare<Float, NotEqual>(n, x, y, out);
}

export function less<Float>(n: i32, x: usize, y: usize, out: usize): void {
  compare<Float, Less>(n, x, y, out);
}

export function lessEqual<Float>(n: i32, x: usize, y: usize, out: usize): void {
  compare<Float, LessEqual>(n, x, y, out);
}

/** out = x where the byte of the condition is not 0, otherwise y. */
export function select<Bits>(n: i32, condition: usize, x: usize, y: usize, out: usize): void {
  for (let i = 0; i < n; i += 16 / <i32>sizeof<Bits>()) {
    v128.store(out, v128.bitselect(v128.load(x), v128.load(y), notZero<Bits>(condition)));
    condition += 16 / sizeof<Bits>();
    x += 16;
    y += 16;
    out += 16;
  }
}

/** into = (1 − y²) · dy + beta · into; the new term is 0 where dy is 0. */
export function tanhGrad<Float>(n: i32, y: usize, dy: usize, into: usize, beta: i32): void {
  pullBack<Float, TanhSlope>(n, y, dy, into, beta);
}

/** into = y (1 − y) · dy + beta · into; the new term is 0 where dy is 0. */
export function sigmoidGrad<Float>(n: i32, y: usize, dy: usize, into: usize, beta: i32): void {
  pullBack<Float, SigmoidSlope>(n, y, dy, into, beta);
}

/** into = (y ≠ 0) · dy + beta · into; the new term is 0 where dy is 0. */
export function reluGrad<Float>(n: i32, y: usize, dy: usize, into: usize, beta: i32): void {
  pullBack<Float, ReluSlope>(n, y, dy, into, beta);
}

// AssemblyScript has no closures. What a loop shall do with each vector is the method `of` of an empty class: a loop is
// compiled for each class, with the method inlined, and needs no object to call it on.

function map<Float, Map>(n: i32, x: usize, out: usize): void {
  const f = changetype<Map>(0);
  for (let i = 0; i < n; i += 2 * Lanes.count<Float>()) {
    const first = f.of<Float>(v128.load(x));
    const second = f.of<Float>(v128.load(x, 16));
    v128.store(out, first);
    v128.store(out, second, 16);
    x += 32;
    out += 32;
  }
}

/** One vector a turn, for functions that wait for memory, or so long that a second vector would not be waiting for the first. */
function mapOne<Float, Map>(n: i32, x: usize, out: usize): void {
  const f = changetype<Map>(0);
  for (let i = 0; i < n; i += Lanes.count<Float>()) {
    v128.store(out, f.of<Float>(v128.load(x)));
    x += 16;
    out += 16;
  }
}

function zip<Float, Map>(n: i32, x: usize, y: usize, out: usize): void {
  const f = changetype<Map>(0);
  for (let i = 0; i < n; i += Lanes.count<Float>()) {
    v128.store(out, f.of<Float>(v128.load(x), v128.load(y)));
    x += 16;
    y += 16;
    out += 16;
  }
}

/** Four vectors a turn: 16 bytes, or 8. */
function compare<Float, Test>(n: i32, x: usize, y: usize, out: usize): void {
  const test = changetype<Test>(0);
  for (let i = 0; i < n; i += 4 * Lanes.count<Float>()) {
    const first = narrow<Float>(
      test.of<Float>(v128.load(x), v128.load(y)),
      test.of<Float>(v128.load(x, 16), v128.load(y, 16)),
    );
    const second = narrow<Float>(
      test.of<Float>(v128.load(x, 32), v128.load(y, 32)),
      test.of<Float>(v128.load(x, 48), v128.load(y, 48)),
    );
    if (sizeof<Float>() == 4) v128.store(out, v128.and(i8x16.narrow_i16x8_s(first, second), i8x16.splat(1)));
    else {
      const bytes = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(first, second), first);
      v128.store64_lane(out, v128.and(bytes, i8x16.splat(1)), 0);
    }
    x += 64;
    y += 64;
    out += 64 / sizeof<Float>();
  }
}

/** Two vectors of ones and zeros in one, their lanes half as wide. */
@inline
function narrow<Float>(x: v128, y: v128): v128 {
  return sizeof<Float>() == 4 ? i16x8.narrow_i32x4_s(x, y) : v128.shuffle<f32>(x, y, 0, 2, 4, 6);
}

function pullBack<Float, Slope>(n: i32, y: usize, dy: usize, into: usize, beta: i32): void {
  const slope = changetype<Slope>(0);
  const times = changetype<MulNoNan>(0);
  for (let i = 0; i < n; i += Lanes.count<Float>()) {
    const term = times.of<Float>(slope.of<Float>(v128.load(y)), v128.load(dy));
    v128.store(into, beta ? v128.add<Float>(v128.load(into), term) : term);
    y += 16;
    dy += 16;
    into += 16;
  }
}

class Neg {
  @inline of<Float>(x: v128): v128 {
    return v128.neg<Float>(x);
  }
}

class Exp {
  @inline of<Float>(x: v128): v128 {
    return Vector.exp<Float>(x);
  }
}

class Log {
  @inline of<Float>(x: v128): v128 {
    return Vector.log<Float>(x);
  }
}

class Sqrt {
  @inline of<Float>(x: v128): v128 {
    return v128.sqrt<Float>(x);
  }
}

class Tanh {
  @inline of<Float>(x: v128): v128 {
    return Vector.tanh<Float>(x);
  }
}

class Sigmoid {
  @inline of<Float>(x: v128): v128 {
    return Vector.sigmoid<Float>(x);
  }
}

class Expm1 {
  @inline of<Float>(x: v128): v128 {
    return Vector.expm1<Float>(x);
  }
}

class Log1p {
  @inline of<Float>(x: v128): v128 {
    return Vector.log1p<Float>(x);
  }
}

class Erf {
  @inline of<Float>(x: v128): v128 {
    return Vector.erf<Float>(x);
  }
}

class Softplus {
  @inline of<Float>(x: v128): v128 {
    return Vector.softplus<Float>(x);
  }
}

class Silu {
  @inline of<Float>(x: v128): v128 {
    return Vector.silu<Float>(x);
  }
}

class Gelu {
  @inline of<Float>(x: v128): v128 {
    return Vector.gelu<Float>(x);
  }
}

class GeluTanh {
  @inline of<Float>(x: v128): v128 {
    return Vector.geluTanh<Float>(x);
  }
}

class Abs {
  @inline of<Float>(x: v128): v128 {
    return v128.abs<Float>(x);
  }
}

class Sign {
  @inline of<Float>(x: v128): v128 {
    const unit = v128.or(v128.and(x, v128.splat<Float>(<Float>-0.0)), one<Float>());
    return v128.bitselect(unit, x, v128.gt<Float>(v128.abs<Float>(x), Lanes.zero()));
  }
}

class Square {
  @inline of<Float>(x: v128): v128 {
    return v128.mul<Float>(x, x);
  }
}

class Reciprocal {
  @inline of<Float>(x: v128): v128 {
    return v128.div<Float>(one<Float>(), x);
  }
}

class Rsqrt {
  @inline of<Float>(x: v128): v128 {
    return v128.div<Float>(one<Float>(), v128.sqrt<Float>(x));
  }
}

class Relu {
  @inline of<Float>(x: v128): v128 {
    return v128.andnot(x, v128.le<Float>(x, Lanes.zero()));
  }
}

class Add {
  @inline of<Float>(x: v128, y: v128): v128 {
    return v128.add<Float>(x, y);
  }
}

class Sub {
  @inline of<Float>(x: v128, y: v128): v128 {
    return v128.sub<Float>(x, y);
  }
}

class Mul {
  @inline of<Float>(x: v128, y: v128): v128 {
    return v128.mul<Float>(x, y);
  }
}

class Div {
  @inline of<Float>(x: v128, y: v128): v128 {
    return v128.div<Float>(x, y);
  }
}

class DivNoNan {
  @inline of<Float>(x: v128, y: v128): v128 {
    return Lanes.select(v128.div<Float>(x, y), v128.ne<Float>(y, Lanes.zero()));
  }
}

class MulNoNan {
  @inline of<Float>(x: v128, y: v128): v128 {
    return Lanes.select(v128.mul<Float>(x, y), v128.ne<Float>(y, Lanes.zero()));
  }
}

class Maximum {
  @inline of<Float>(x: v128, y: v128): v128 {
    return v128.max<Float>(x, y);
  }
}

class Minimum {
  @inline of<Float>(x: v128, y: v128): v128 {
    return v128.min<Float>(x, y);
  }
}

class Equal {
  @inline of<Float>(x: v128, y: v128): v128 {
    return v128.eq<Float>(x, y);
  }
}

class NotEqual {
  @inline of<Float>(x: v128, y: v128): v128 {
    return v128.ne<Float>(x, y);
  }
}

class Less {
  @inline of<Float>(x: v128, y: v128): v128 {
    return v128.lt<Float>(x, y);
  }
}

class LessEqual {
  @inline of<Float>(x: v128, y: v128): v128 {
    return v128.le<Float>(x, y);
  }
}

class TanhSlope {
  @inline of<Float>(y: v128): v128 {
    return v128.sub<Float>(one<Float>(), v128.mul<Float>(y, y));
  }
}

class SigmoidSlope {
  @inline of<Float>(y: v128): v128 {
    return v128.mul<Float>(y, v128.sub<Float>(one<Float>(), y));
  }
}

class ReluSlope {
  @inline of<Float>(y: v128): v128 {
    return Lanes.select(one<Float>(), v128.ne<Float>(y, Lanes.zero()));
  }
}

function one<Float>(): v128 {
  return v128.splat<Float>(<Float>1);
}
