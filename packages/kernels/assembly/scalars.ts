// What has no SIMD form yet: element by element through NativeMath, in float64, rounded at the end.
import * as special from "./special";

/** xʸ as JavaScript has it: x⁰ is 1, whatever x, and 1 to a power that is infinite or NaN is NaN. */
export function pow<Float>(n: i32, x: usize, y: usize, out: usize): void {
  for (let i = 0; i < n; i++) {
    store<Float>(out, <Float>NativeMath.pow(<f64>load<Float>(x), <f64>load<Float>(y)));
    x += sizeof<Float>();
    y += sizeof<Float>();
    out += sizeof<Float>();
  }
}

export function expm1<Float>(n: i32, x: usize, out: usize): void {
  each<Float, Expm1>(n, x, out);
}

export function log1p<Float>(n: i32, x: usize, out: usize): void {
  each<Float, Log1p>(n, x, out);
}

export function sin<Float>(n: i32, x: usize, out: usize): void {
  each<Float, Sin>(n, x, out);
}

export function cos<Float>(n: i32, x: usize, out: usize): void {
  each<Float, Cos>(n, x, out);
}

export function erf<Float>(n: i32, x: usize, out: usize): void {
  each<Float, Erf>(n, x, out);
}

export function softplus<Float>(n: i32, x: usize, out: usize): void {
  each<Float, Softplus>(n, x, out);
}

export function silu<Float>(n: i32, x: usize, out: usize): void {
  each<Float, Silu>(n, x, out);
}

export function gelu<Float>(n: i32, x: usize, out: usize): void {
  each<Float, Gelu>(n, x, out);
}

export function geluTanh<Float>(n: i32, x: usize, out: usize): void {
  each<Float, GeluTanh>(n, x, out);
}

function each<Float, Map>(n: i32, x: usize, out: usize): void {
  const f = changetype<Map>(0);
  for (let i = 0; i < n; i++) {
    store<Float>(out, <Float>f.of(<f64>load<Float>(x)));
    x += sizeof<Float>();
    out += sizeof<Float>();
  }
}

class Expm1 {
  @inline of(x: f64): f64 {
    return NativeMath.expm1(x);
  }
}

class Log1p {
  @inline of(x: f64): f64 {
    return NativeMath.log1p(x);
  }
}

class Sin {
  @inline of(x: f64): f64 {
    return NativeMath.sin(x);
  }
}

class Cos {
  @inline of(x: f64): f64 {
    return NativeMath.cos(x);
  }
}

class Erf {
  @inline of(x: f64): f64 {
    return special.erf(x);
  }
}

class Softplus {
  @inline of(x: f64): f64 {
    return special.softplus(x);
  }
}

class Silu {
  @inline of(x: f64): f64 {
    return special.silu(x);
  }
}

class Gelu {
  @inline of(x: f64): f64 {
    return special.gelu(x);
  }
}

class GeluTanh {
  @inline of(x: f64): f64 {
    return special.geluTanh(x);
  }
}
