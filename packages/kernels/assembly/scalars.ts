// What has no SIMD form: element by element through NativeMath, in float64, rounded at the end.

/** xʸ as JavaScript has it: x⁰ is 1, whatever x, and 1 to a power that is infinite or NaN is NaN. */
export function pow<Float>(n: i32, x: usize, y: usize, out: usize): void {
  for (let i = 0; i < n; i++) {
    store<Float>(out, <Float>NativeMath.pow(<f64>load<Float>(x), <f64>load<Float>(y)));
    x += sizeof<Float>();
    y += sizeof<Float>();
    out += sizeof<Float>();
  }
}

export function sin<Float>(n: i32, x: usize, out: usize): void {
  each<Float, Sin>(n, x, out);
}

export function cos<Float>(n: i32, x: usize, out: usize): void {
  each<Float, Cos>(n, x, out);
}

function each<Float, Map>(n: i32, x: usize, out: usize): void {
  const f = changetype<Map>(0);
  for (let i = 0; i < n; i++) {
    store<Float>(out, <Float>f.of(<f64>load<Float>(x)));
    x += sizeof<Float>();
    out += sizeof<Float>();
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
