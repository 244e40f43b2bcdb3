// The WebAssembly kernels, each against a plain loop in float64. Buffers lie between guards that no kernel may touch.
import { describe, expect, test } from "vitest";
import { type KernelExports, moduleBase64 } from "../src/module.generated.ts";
import * as special from "../src/special.ts";

type Type = "f32" | "f64";
type Floats = Float32Array | Float64Array;
const TYPES: Type[] = ["f32", "f64"];
const GUARD = 0x7b;

const memory = new WebAssembly.Memory({ initial: 400, maximum: 65536 });
const module = new WebAssembly.Module(Buffer.from(moduleBase64, "base64"));
const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
const base = kernels.heapBase();

/** Hands out the module's memory; one for each check. */
class Arena {
  #top = base;
  readonly #blocks: { at: number; end: number }[] = [];

  /** Copies values in: aligned and padded to 64 bytes, or starting `shift` bytes later and ending at the last value. */
  place(values: ArrayBufferView, shift?: number): number {
    const at = this.#top + 64 + (shift ?? 0);
    const end = shift === undefined ? roundUp(at + values.byteLength) : at + values.byteLength;
    const next = roundUp(end) + 64;
    const missing = next - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    new Uint8Array(memory.buffer, this.#top, next - this.#top).fill(GUARD);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(memory.buffer, at, values.byteLength).set(bytes);
    this.#blocks.push({ at, end });
    this.#top = next;
    return at;
  }

  read(type: Type, at: number, n: number): Floats {
    return floats(
      type,
      type === "f32" ? new Float32Array(memory.buffer, at, n) : new Float64Array(memory.buffer, at, n),
    );
  }

  bytes(at: number, n: number): Uint8Array {
    return Uint8Array.from(new Uint8Array(memory.buffer, at, n));
  }

  /** Throws where a byte outside the blocks was written. */
  check(): void {
    const all = new Uint8Array(memory.buffer);
    let from = base;
    for (const { at, end } of [...this.#blocks, { at: this.#top, end: this.#top }]) {
      for (let i = from; i < at; i++) if (all[i] !== GUARD) throw new Error(`wrote ${i - from} bytes behind a buffer`);
      from = end;
    }
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

function floats(type: Type, values: ArrayLike<number>): Floats {
  return type === "f32" ? Float32Array.from(values) : Float64Array.from(values);
}

/** mulberry32: uniform in [0, 1). */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function randoms(type: Type, n: number, random: () => number, scale = 2): Floats {
  return floats(
    type,
    Array.from({ length: n }, () => scale * (random() * 2 - 1)),
  );
}

function rounder(type: Type): (x: number) => number {
  return type === "f32" ? Math.fround : (x) => x;
}

/** The distance in units of the last place of `want` in `type`. */
function ulps(type: Type, got: number, want: number): number {
  if (Object.is(got, want) || got === want) return 0;
  if (Number.isNaN(got) || Number.isNaN(want)) return Number.isNaN(got) && Number.isNaN(want) ? 0 : Infinity;
  if (!Number.isFinite(got) && rounder(type)(want) === got) return 0;
  const [digits, lowest] = type === "f32" ? [23, -126] : [52, -1022];
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(want))), lowest);
  return Math.abs(got - want) / 2 ** (exponent - digits);
}

function expectClose(type: Type, got: Floats, want: ArrayLike<number>, limit: number): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < got.length; i++) {
    const distance = ulps(type, got[i]!, want[i]!);
    if (!(distance <= limit))
      throw new Error(`[${i}] is ${got[i]}, want ${want[i]}: ${distance} ulp, allowed ${limit}`);
  }
}

type Special = "expm1" | "log1p" | "sin" | "cos" | "erf" | "softplus" | "silu" | "gelu" | "geluTanh";
type Unary =
  | "abs"
  | "sign"
  | "square"
  | "reciprocal"
  | "rsqrt"
  | "relu"
  | Special
  | "neg"
  | "exp"
  | "log"
  | "sqrt"
  | "tanh"
  | "sigmoid";
type Binary = "add" | "sub" | "mul" | "div" | "divNoNan" | "mulNoNan" | "maximum" | "minimum";

function unary(type: Type, name: Unary, x: Floats): Floats {
  const arena = new Arena();
  const [px, out] = [arena.place(x), arena.place(new Uint8Array(x.byteLength))];
  kernels[`${name}_${type}`](x.length, px, out);
  arena.check();
  return arena.read(type, out, x.length);
}

/** Every 40,009th of all bit patterns, and what lies around the edges. */
function allKindsOfFloat32(): Float32Array {
  const patterns: number[] = [];
  for (let bits = 0; bits < 2 ** 32; bits += 40009) patterns.push(bits);
  const edges = [
    0,
    1e-45,
    1.1754942e-38,
    1.17549435e-38,
    1e-30,
    0.5,
    0.62499994,
    0.625,
    Math.SQRT1_2,
    1,
    1.5,
    9,
    10,
    17,
    45,
  ];
  edges.push(87.33654, 88.02969, 88.37626, 88.72283, 88.72284, 89, 103.27892, 103.972084, 104, 105, 1e10, 3.4028235e38);
  const values = [...Float32Array.from([...edges, Infinity, NaN].flatMap((x) => [x, -x]))];
  return Float32Array.from([...values, ...new Float32Array(Uint32Array.from(patterns).buffer)]);
}

function sigmoid(x: number): number {
  return x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x));
}

describe("unary", () => {
  const cases: [Unary, (x: number) => number, number, number][] = [
    // name, float64 reference, ulp allowed in float32, in float64
    ["neg", (x) => -x, 0, 0],
    ["sqrt", Math.sqrt, 0.5, 0],
    ["abs", Math.abs, 0, 0],
    ["sign", Math.sign, 0, 0],
    ["square", (x) => x * x, 0.5, 0],
    ["reciprocal", (x) => 1 / x, 0.5, 0],
    ["rsqrt", (x) => 1 / Math.sqrt(x), 1.5, 0],
    ["relu", (x) => (x <= 0 ? 0 : x), 0, 0],
    ["exp", Math.exp, 1.5, 1],
    ["log", Math.log, 1.5, 1],
    ["tanh", Math.tanh, 2.5, 2],
    ["sigmoid", sigmoid, 2.5, 3],
    ["expm1", Math.expm1, 1.5, 2],
    ["log1p", Math.log1p, 1.5, 1],
    ["sin", Math.sin, 0.51, 1],
    ["cos", Math.cos, 0.51, 1],
    ["softplus", (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), 2, 2],
    ["silu", (x) => (x === -Infinity ? -0 : x * sigmoid(x)), 3, 6],
    ["erf", special.erf, 1.5, 1],
    ["gelu", special.gelu, 6, 6],
    ["geluTanh", special.geluTanh, 3, 6],
  ];
  test.each(cases)("%s_f32 over all kinds of bit patterns", (name, reference, limit) => {
    const x = allKindsOfFloat32();
    const got = unary("f32", name, x);
    let worst = 0;
    let place = 0;
    for (let i = 0; i < x.length; i++) {
      const distance = ulps("f32", got[i]!, reference(x[i]!));
      if (distance > worst) [worst, place] = [distance, i];
    }
    expect(worst, `${name}(${x[place]}) = ${got[place]}`).toBeLessThanOrEqual(limit);
  });

  test.each(cases)("%s_f64, seed 1", (name, reference, _, limit) => {
    const random = generator(1);
    const sizes = [1e-300, 1e-10, 0.1, 1, 10, 700].flatMap((scale) => [...randoms("f64", 200, random, scale)]);
    const edges = [0, 5e-324, 1e-308, 1, 709.78, 709.79, 745.13, 746, 1e300, Infinity, NaN].flatMap((x) => [x, -x]);
    const x = Float64Array.from([...sizes, ...edges]);
    expectClose("f64", unary("f64", name, x), Array.from(x, reference), limit);
  });

  test.each(TYPES)("the sign of zero, %s", (type) => {
    const zeros = floats(type, [0, -0]);
    expect([...unary(type, "tanh", zeros)]).toEqual([0, -0]);
    expect([...unary(type, "sqrt", zeros)]).toEqual([0, -0]);
    expect([...unary(type, "neg", zeros)]).toEqual([-0, 0]);
    expect([...unary(type, "log", zeros)]).toEqual([-Infinity, -Infinity]);
    expect([...unary(type, "abs", zeros)]).toEqual([0, 0]);
    expect([...unary(type, "sign", zeros)]).toEqual([0, -0]);
    expect([...unary(type, "relu", zeros)]).toEqual([0, 0]);
    expect([...unary(type, "reciprocal", zeros)]).toEqual([Infinity, -Infinity]);
    for (const name of ["expm1", "log1p", "sin", "erf", "silu", "gelu", "geluTanh"] as const)
      expect([...unary(type, name, zeros)]).toEqual([0, -0]);
  });

  // Made with mpmath 1.3, of 40 digits: x and erf x; x, x·Φ(x) and its form with tanh.
  // prettier-ignore
  const erfs = [
    [1e-300, 1.1283791670955126e-300],
    [1e-09, 1.1283791670955127e-09],
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [0.84375, 0.7672256612323416],
    [1, 0.8427007929497149],
    [1.25, 0.9229001282564583],
    [2, 0.9953222650189527],
    [2.857142857142857, 0.9999466876886117],
    [3.5, 0.9999992569016276],
    [5, 0.9999999999984626],
    [5.9, 0.9999999999999999],
  ] as const;
  // prettier-ignore
  const gelus = [
    [-20, -5.507248237212468e-88, -3.3754509563109673e-261],
    [-9, -1.0157295653584566e-18, -1.3364595947348725e-28],
    [-4, -0.0001266849673324797, -7.024594819237268e-05],
    [-2, -0.04550026389635842, -0.04540230591222498],
    [-1, -0.15865525393145705, -0.1588080093917233],
    [-0.5, -0.15426876936299344, -0.15428599017485609],
    [-1e-09, -4.999999996010577e-10, -4.999999996010577e-10],
    [0.3, 0.1853734266566858, 0.18537092354275925],
    [1, 0.8413447460685429, 0.8411919906082767],
    [2.5, 2.4844758366855597, 2.484915733910001],
    [7, 6.999999999991041, 6.999999999999997],
  ] as const;

  test("erf is odd, exact to an ulp, and 1 from 6 on", () => {
    const [x, y] = [0, 1].map((side) => [
      ...erfs.map((pair) => pair[side]!),
      side === 0 ? 6 : 1,
      side === 0 ? Infinity : 1,
    ]);
    expectClose("f64", unary("f64", "erf", Float64Array.from(x!)), y!, 1);
    expectClose("f64", unary("f64", "erf", Float64Array.from(x!, (value) => -value)), y!.map((value) => -value), 1); // prettier-ignore
    expect([...unary("f64", "erf", Float64Array.of(-0, 0, NaN, -Infinity))]).toEqual([-0, 0, NaN, -1]);
    expect([...unary("f32", "erf", Float32Array.of(-0, 0, NaN, 2))]).toEqual([
      -0,
      0,
      NaN,
      Math.fround(0.9953222650189527),
    ]);
  });

  test.each(["gelu", "geluTanh"] as const)("%s, whose tail keeps most of its digits", (name) => {
    const x = Float64Array.from(gelus, (row) => row[0]);
    const want = gelus.map((row) => row[name === "gelu" ? 1 : 2]);
    const got = unary("f64", name, x);
    got.forEach((value, i) => expect(Math.abs(value / want[i]! - 1), `${x[i]}`).toBeLessThan(1e-15 * (4 + x[i]! ** 2)));
    expect([...unary("f64", name, Float64Array.of(-0, 0, NaN, -Infinity, -1e200, Infinity))]).toEqual([
      -0,
      0,
      NaN,
      -0,
      -0,
      Infinity,
    ]);
    expect([...unary("f32", name, Float32Array.of(-Infinity, -1e30, Infinity))]).toEqual([-0, -0, Infinity]);
  });

  test.each(TYPES)("leakyRelu and clip, which take numbers, %s", (type) => {
    const round = rounder(type);
    const x = floats(type, [-Infinity, -3, -0.25, -0, 0, 1e-3, 0.5, 2, Infinity, NaN]);
    const arena = new Arena();
    const places = [0, 1, 2].map((i) => arena.place(i === 0 ? x : new Uint8Array(x.byteLength))) as [
      number,
      number,
      number,
    ];
    kernels[`leakyRelu_${type}`](x.length, places[0], places[1], 0.1);
    kernels[`clip_${type}`](x.length, places[0], places[2], -0.25, 0.6);
    arena.check();
    const leaky = x.map((value) => (value <= 0 ? round(0.1) * value : value));
    expect(arena.read(type, places[1], x.length)).toEqual(leaky);
    const bounds = [-0.25, -0.25, -0.25, -0, 0, 1e-3, 0.5, 0.6, 0.6, NaN];
    expect(arena.read(type, places[2], x.length)).toEqual(floats(type, bounds));
  });

  test("subnormal results of exp_f32 are rounded, not flushed", () => {
    const x = Float32Array.from({ length: 100 }, (_, i) => -87.3 - i / 6);
    expectClose("f32", unary("f32", "exp", x), Array.from(x, Math.exp), 1);
    expect(unary("f32", "exp", Float32Array.of(-103.2))[0]).toBe(2 ** -149);
  });
});

describe.each(TYPES)("binary and slopes, %s", (type) => {
  const edges = [0, -0, 1, -2.5, 3, Infinity, -Infinity, NaN];
  const pairs = edges.flatMap((a) => edges.map((b) => [a, b] as const));
  const x = floats(type, pairs.map(([a]) => a)); // prettier-ignore
  const y = floats(type, pairs.map(([, b]) => b)); // prettier-ignore
  const cases: [Binary, (x: number, y: number) => number][] = [
    ["add", (x, y) => x + y],
    ["sub", (x, y) => x - y],
    ["mul", (x, y) => x * y],
    ["div", (x, y) => x / y],
    ["divNoNan", (x, y) => (y === 0 ? 0 : x / y)],
    ["mulNoNan", (x, y) => (y === 0 ? 0 : x * y)],
    ["maximum", (x, y) => Math.max(x, y)],
    ["minimum", (x, y) => Math.min(x, y)],
  ];
  test.each(cases)("%s, into a buffer of its own and over either operand", (name, reference) => {
    const want = x.map((value, i) => reference(value, y[i]!));
    for (const target of [0, 1, 2]) {
      const arena = new Arena();
      const places = [arena.place(x), arena.place(y), arena.place(new Uint8Array(x.byteLength))] as const;
      kernels[`${name}_${type}`](x.length, places[0], places[1], places[target]!);
      arena.check();
      expect(arena.read(type, places[target]!, x.length)).toEqual(want);
    }
  });

  test("pow, at the edges and between, seed 15", () => {
    const random = generator(15);
    const powers = [0, -0, 0.5, 1, 2, 3, -1, -2.5, 40, Infinity, -Infinity, NaN];
    const bases = [...edges, 0.5, 1.0000001, -1, 1e-40, 1e20, ...randoms(type, 200, random, 3)];
    const all = bases.flatMap((base) =>
      [...powers, ...randoms(type, 3, random, 30)].map((power) => [base, power] as const),
    );
    const [a, b] = [0, 1].map((side) => floats(type, all.map((pair) => pair[side]!))) as [Floats, Floats]; // prettier-ignore
    const arena = new Arena();
    const places = [a, b, new Uint8Array(a.byteLength)].map((values) => arena.place(values)) as [
      number,
      number,
      number,
    ];
    kernels[`pow_${type}`](a.length, ...places);
    arena.check();
    const want = Array.from(a, (base, i) => base ** b[i]!);
    expectClose(type, arena.read(type, places[2], a.length), want, type === "f32" ? 0.51 : 1);
  });

  test.each([
    ["tanhGrad", (y: number) => 1 - y * y],
    ["sigmoidGrad", (y: number) => y * (1 - y)],
    ["reluGrad", (y: number) => (y !== 0 ? 1 : 0)],
  ] as const)("%s", (name, slope) => {
    const round = rounder(type);
    const into = randoms(type, x.length, generator(2));
    for (const beta of [0, 1]) {
      const arena = new Arena();
      const places = [arena.place(x), arena.place(y), arena.place(into)] as const;
      kernels[`${name}_${type}`](x.length, ...places, beta);
      arena.check();
      const want = Array.from(x, (value, i) => {
        const term = y[i] === 0 ? 0 : y[i]! * slope(value);
        return round(round(term) + beta * into[i]!);
      });
      expectClose(type, arena.read(type, places[2], x.length), want, 2);
    }
  });
});

/** A matrix laid out with the given strides, and the pointer to its first element. */
interface Matrix {
  at: number;
  row: number;
  col: number;
  value(i: number, j: number): number;
}

type Layout = "rows" | "columns" | "spread" | "backwards";

function matrix(arena: Arena, type: Type, rows: number, cols: number, layout: Layout, random: () => number): Matrix {
  const layouts = { rows: [cols, 1], columns: [1, rows], spread: [3 * cols + 2, 3], backwards: [-cols, -1] } as const;
  const [row, col] = layouts[layout];
  const size = rows === 0 || cols === 0 ? 0 : (rows - 1) * Math.abs(row) + (cols - 1) * Math.abs(col) + 1;
  const values = randoms(type, size, random);
  const first = layout === "backwards" ? Math.max(0, size - 1) : 0;
  const at = arena.place(values, values.BYTES_PER_ELEMENT) + first * values.BYTES_PER_ELEMENT;
  return { at, row, col, value: (i, j) => values[first + i * row + j * col]! };
}

const workspace = new Uint8Array(kernels.gemmWorkspaceBytes());

describe.each(TYPES)("gemm, %s", (type) => {
  // prettier-ignore
  const shapes: [number, number, number][] = [ // M, N, K
    [0, 3, 2], [3, 0, 2], [3, 4, 0], [1, 1, 1], [1, 5, 0], [1, 7, 5], [1, 33, 6], [5, 1, 9], [9, 1, 300], [1, 9, 300],
    [1, 1, 300], [2, 3, 1], [5, 17, 1], [2, 2, 2], [4, 8, 16], [5, 9, 17], [12, 12, 128], [3, 33, 257], [97, 13, 300],
    [13, 780, 3], [6, 400, 260], [64, 64, 64],
  ];
  const layouts: Layout[] = ["rows", "columns", "spread", "backwards"];
  const round = rounder(type);

  /** One chain of sums in the order of k, as the kernel promises: compared to the bit. */
  function chain(start: number, K: number, a: Matrix, b: Matrix, i: number, j: number): number {
    let s = start;
    for (let k = 0; k < K; k++) s = round(s + round(a.value(i, k) * b.value(k, j)));
    return s;
  }

  test.each(shapes)("%i × %i × %i, all layouts, beta 0 and 1, seed 4", (M, N, K) => {
    const random = generator(4);
    const pairs = layouts.flatMap((la) => layouts.map((lb) => [la, lb] as const));
    const large = M * N * K > 1e5; // four pairs of layouts instead of sixteen
    for (const [la, lb] of large ? pairs.filter((_, i) => i % 4 === ((i >> 2) + 1) % 4) : pairs) {
      for (const beta of [0, 1]) {
        const cRow = la === "rows" ? N : N + 3;
        const arena = new Arena();
        const a = matrix(arena, type, M, K, la, random);
        const b = matrix(arena, type, K, N, lb, random);
        const c = randoms(type, M * cRow, random);
        const [pc, ws] = [arena.place(c, c.BYTES_PER_ELEMENT), arena.place(workspace)];
        kernels[`gemm_${type}`](M, N, K, a.at, a.row, a.col, b.at, b.row, b.col, pc, cRow, beta, 0, ws);
        arena.check();
        const want = c.slice();
        for (let i = 0; i < M; i++) {
          for (let j = 0; j < N; j++) want[i * cRow + j] = chain(beta ? c[i * cRow + j]! : 0, K, a, b, i, j);
        }
        const got = arena.read(type, pc, c.length);
        expect(firstDifference(got, want), `${la} ${lb} beta ${beta}`).toBe(-1);
      }
    }
  });

  test.each(shapes)("packFactor, %i × %i × %i: products by B packed once, seed 6", (M, N, K) => {
    const random = generator(6);
    for (const layout of layouts) {
      const arena = new Arena();
      const [a, b] = [matrix(arena, type, M, K, "rows", random), matrix(arena, type, K, N, layout, random)];
      const c = arena.place(floats(type, new Array<number>(M * N).fill(1)));
      const packed = arena.place(floats(type, new Array<number>(Math.ceil(N / 8) * 8 * K).fill(NaN)));
      const ws = arena.place(workspace);
      kernels[`packFactor_${type}`](N, K, b.at, b.row, b.col, packed);
      for (const beta of [1, 0]) {
        kernels[`gemm_${type}`](M, N, K, a.at, a.row, a.col, packed, 0, 0, c, N, beta, 1, ws);
        arena.check();
        const want = Array.from({ length: M * N }, (_, i) => chain(beta, K, a, b, Math.floor(i / N), i % N));
        expect(firstDifference(arena.read(type, c, M * N), floats(type, want)), `${layout} beta ${beta}`).toBe(-1);
      }
    }
  });

  test("gemmBatch: own, repeated and summed operands, seed 5", () => {
    const random = generator(5);
    // prettier-ignore
    const repeats = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]] as const;
    // prettier-ignore
    for (const [M, N, K] of [[3, 5, 7], [1, 6, 4], [4, 8, 1]] as const) {
      for (const [repeatA, repeatB, repeatC] of repeats) {
        for (const beta of [0, 1]) {
          const count = 3;
          const arena = new Arena();
          const a = matrix(arena, type, count * M, K, "rows", random);
          const b = matrix(arena, type, count * K, N, "rows", random);
          const c = randoms(type, count * M * N, random);
          const [aBatch, bBatch, cBatch] = [repeatA ? 0 : M * K, repeatB ? 0 : K * N, repeatC ? 0 : M * N];
          const [pc, ws] = [arena.place(c), arena.place(workspace)];
          kernels[`gemmBatch_${type}`](count, M, N, K, a.at, aBatch, K, 1, b.at, bBatch, N, 1, pc, cBatch, N, beta, ws);
          arena.check();
          const want = c.slice();
          for (let item = 0; item < count; item++) {
            const [ai, bi] = [repeatA ? 0 : item * M, repeatB ? 0 : item * K];
            for (let i = 0; i < M; i++) {
              for (let j = 0; j < N; j++) {
                const at = item * cBatch + i * N + j;
                let s = repeatC && item > 0 ? want[at]! : beta * want[at]!;
                for (let k = 0; k < K; k++) s = round(s + round(a.value(ai + i, k) * b.value(bi + k, j)));
                want[at] = s;
              }
            }
          }
          expect(arena.read(type, pc, c.length)).toEqual(want);
        }
      }
    }
  });

  test("NaN and ∞ meet 0 as IEEE says, and beta 0 does not read C", () => {
    for (const n of [1, 6, 9]) {
      // prettier-ignore
      for (const [factor, want] of [[NaN, NaN], [Infinity, NaN], [1, 0]] as const) {
        const arena = new Arena();
        const zeros = arena.place(floats(type, Array(n * n).fill(0)));
        const factors = arena.place(floats(type, Array(n * n).fill(factor)));
        const [c, ws] = [arena.place(floats(type, Array(n * n).fill(NaN))), arena.place(workspace)];
        kernels[`gemm_${type}`](n, n, n, zeros, n, 1, factors, n, 1, c, n, 0, 0, ws);
        expect([...arena.read(type, c, n * n)]).toEqual(Array(n * n).fill(want));
      }
    }
  });
});

function firstDifference(got: Floats, want: Floats): number {
  return got.findIndex((value, i) => !Object.is(value, want[i]));
}

// Rows: plain definitions in float64.

function counts(mask: Uint8Array | undefined, i: number): boolean {
  return mask === undefined || mask[i] !== 0;
}

function logSumExp(x: number[]): number {
  if (x.every((value) => value === -Infinity)) return -Infinity;
  const top = x.reduce((a, b) => Math.max(a, b), -Infinity);
  return top + Math.log(x.reduce((sum, value) => sum + Math.exp(value - top), 0));
}

interface RowsCase {
  rows: number;
  n: number;
  x: Floats;
  mask?: Uint8Array;
}

/** Calls `row` with the places of each row that count. */
function byRow({ rows, n, mask }: RowsCase, row: (places: number[], r: number) => void): void {
  for (let r = 0; r < rows; r++) {
    row(
      Array.from({ length: n }, (_, j) => r * n + j).filter((i) => counts(mask, i)),
      r,
    );
  }
}

function expectedSoftmax(c: RowsCase, log: boolean): number[] {
  const out = Array<number>(c.x.length).fill(log ? -Infinity : 0);
  byRow(c, (places) => {
    const values = places.map((i) => c.x[i]!);
    const top = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = values.reduce((sum, value) => sum + Math.exp(value - top), 0);
    for (const i of places) out[i] = log ? c.x[i]! - top - Math.log(sum) : Math.exp(c.x[i]! - top) / sum;
  });
  return out;
}

function rowsCases(type: Type, seed: number): RowsCase[] {
  const random = generator(seed);
  return [0, 1, 2, 3, 4, 5, 8, 13, 31, 64].flatMap((n) => {
    const rows = 5;
    const x = randoms(type, rows * n, random, 8);
    const mask = Uint8Array.from({ length: rows * n }, (_, i) =>
      i < n ? 0 : i < 2 * n ? 255 : Math.floor(random() * 3),
    );
    const poisoned = x.map((value, i) => (mask[i] === 0 ? [NaN, Infinity, -Infinity][i % 3]! : value));
    return [{ rows, n, x }, { rows, n, x: poisoned, mask }]; // prettier-ignore
  });
}

describe.each(TYPES)("rows, %s", (type) => {
  const size = type === "f32" ? 4 : 8;
  const limit = 16; // x − max, rounded in the last place of numbers up to 16, is an exponent

  function run(name: "softmax" | "logSoftmax" | "logSumExp", c: RowsCase): Floats {
    const arena = new Arena();
    const px = arena.place(c.x, size);
    const pm = c.mask === undefined ? 0 : arena.place(c.mask, 3);
    const length = name === "logSumExp" ? c.rows : c.x.length;
    const out = arena.place(new Uint8Array(length * size), size);
    kernels[`${name}_${type}`](c.rows, c.n, px, pm, out);
    arena.check();
    return arena.read(type, out, length);
  }

  /** Near 0 the result is a difference of larger numbers: an absolute tolerance, in the ulp of 16. */
  function expectNear(got: Floats, want: number[], tolerance = type === "f32" ? 4e-6 : 1e-14): void {
    expect(got.length).toBe(want.length);
    for (let i = 0; i < want.length; i++) {
      const [g, w] = [got[i]!, want[i]!];
      const same = Object.is(g, w) || g === w || Math.abs(g - w) <= tolerance;
      if (!same) throw new Error(`[${i}] is ${g}, want ${w}`);
    }
  }

  test("softmax, logSoftmax and logSumExp of any width, with and without mask, seed 6", () => {
    for (const c of rowsCases(type, 6)) {
      expectClose(type, run("softmax", c), expectedSoftmax(c, false), limit);
      expectNear(run("logSoftmax", c), expectedSoftmax(c, true));
      const sums: number[] = [];
      byRow(c, (places) => sums.push(logSumExp(places.map((i) => c.x[i]!))));
      expectNear(run("logSumExp", c), sums);
    }
  });

  test("a row with nothing left is 0, −∞, −∞", () => {
    for (const n of [1, 3, 4, 9]) {
      const c = { rows: 1, n, x: floats(type, Array(n).fill(NaN)), mask: new Uint8Array(n) };
      expect([...run("softmax", c)]).toEqual(Array(n).fill(0));
      expect([...run("logSoftmax", c)]).toEqual(Array(n).fill(-Infinity));
      expect([...run("logSumExp", c)]).toEqual([-Infinity]);
    }
    expect([...run("logSumExp", { rows: 2, n: 0, x: floats(type, []) })]).toEqual([-Infinity, -Infinity]);
  });

  test("without a mask as IEEE says", () => {
    for (const special of [NaN, Infinity]) {
      const c = { rows: 1, n: 5, x: floats(type, [1, 2, special, 3, 4]) };
      for (const name of ["softmax", "logSoftmax", "logSumExp"] as const) {
        const want = name === "logSumExp" ? [special] : Array<number>(5).fill(NaN);
        expect([...run(name, c)], `${name} ${special}`).toEqual(want);
      }
    }
    const lowest = { rows: 1, n: 3, x: floats(type, [-Infinity, -Infinity, -Infinity]) };
    expect([...run("softmax", lowest)]).toEqual([NaN, NaN, NaN]);
    expect([...run("logSumExp", lowest)]).toEqual([-Infinity]);
    const one = { rows: 1, n: 3, x: floats(type, [-Infinity, 7, -Infinity]) };
    expect([...run("softmax", one)]).toEqual([0, 1, 0]);
    expect([...run("logSoftmax", one)]).toEqual([-Infinity, 0, -Infinity]);
    expect([...run("logSumExp", one)]).toEqual([7]);
  });

  test("NaN among the places that count leaves the others 0 and −∞", () => {
    const c = { rows: 1, n: 3, x: floats(type, [NaN, 1, 2]), mask: Uint8Array.of(1, 0, 1) };
    expect([...run("softmax", c)]).toEqual([NaN, 0, NaN]);
    expect([...run("logSoftmax", c)]).toEqual([NaN, -Infinity, NaN]);
  });

  test("a wide row, V = 32000, seed 7", () => {
    const x = randoms(type, 32000, generator(7), 3);
    const c = { rows: 1, n: 32000, x };
    expectClose(type, run("logSumExp", c), [logSumExp([...x])], type === "f32" ? 1 : 16);
    const total = [...run("softmax", c)].reduce((sum, value) => sum + value, 0);
    expect(Math.abs(total - 1)).toBeLessThan(type === "f32" ? 3e-7 : 1e-13);
  });

  type Grad = "softmaxGrad" | "logSoftmaxGrad" | "logSumExpGrad";

  /** `pointers` in the order of the kernel's parameters before `into`; "mask" stands for the mask's. */
  function runGrad(name: Grad, c: RowsCase, inputs: (Floats | "mask")[], into: Floats, beta: number): Floats {
    const arena = new Arena();
    const pointers = inputs.map((input) => {
      if (input !== "mask") return arena.place(input, size);
      return c.mask === undefined ? 0 : arena.place(c.mask, 1);
    });
    const pi = arena.place(into, size);
    const kernel: (...all: number[]) => void = kernels[`${name}_${type}`];
    kernel(c.rows, c.n, ...pointers, pi, beta);
    arena.check();
    return arena.read(type, pi, into.length);
  }

  test("gradients of any width, with and without mask, beta 0 and 1, seed 8", () => {
    const random = generator(8);
    for (const c of rowsCases(type, 9)) {
      const n = c.x.length;
      const dy = randoms(type, n, random);
      const into = randoms(type, n, random);
      const poison = dy.map((value, i) => (counts(c.mask, i) ? value : NaN));
      const drow = randoms(type, c.rows, random);
      const [p, logs, sums] = [run("softmax", c), run("logSoftmax", c), run("logSumExp", c)];
      for (const beta of [0, 1]) {
        const starting = (): number[] => Array.from(into, (value) => beta * value);
        const [bySoftmax, byLog, bySum] = [starting(), starting(), starting()];
        byRow(c, (places, r) => {
          const mean = places.reduce((sum, i) => sum + p[i]! * dy[i]!, 0);
          const total = places.reduce((sum, i) => sum + dy[i]!, 0);
          for (const i of places) {
            bySoftmax[i]! += p[i]! * (dy[i]! - mean);
            byLog[i]! += dy[i]! - Math.exp(logs[i]!) * total;
            bySum[i]! += Math.exp(c.x[i]! - sums[r]!) * drow[r]!;
          }
        });
        expectNear(runGrad("softmaxGrad", c, [p, poison], into, beta), bySoftmax);
        expectNear(
          runGrad("logSoftmaxGrad", c, [logs, "mask", poison], into, beta),
          byLog,
          type === "f32" ? 2e-5 : 1e-13,
        );
        expectNear(runGrad("logSumExpGrad", c, [c.x, "mask", sums, drow], into, beta), bySum);
      }
    }
  });

  test("zeros that swallow what they meet", () => {
    const c = { rows: 1, n: 3, x: floats(type, [0, 0, 0]) };
    const into = floats(type, [9, 9, 9]);
    const y = floats(type, [0, 0.5, 0.5]);
    expect([...runGrad("softmaxGrad", c, [y, floats(type, [NaN, 1, 3])], into, 0)]).toEqual([0, -0.5, 0.5]);
    expect([...runGrad("softmaxGrad", c, [y, floats(type, [Infinity, 1, 3])], into, 1)]).toEqual([9, 8.5, 9.5]);
    const x = floats(type, [NaN, Infinity, 1]);
    expect([...runGrad("logSumExpGrad", c, [x, "mask", floats(type, [NaN]), floats(type, [0])], into, 0)]).toEqual([
      0, 0, 0,
    ]);
    const empty: (Floats | "mask")[] = [x, "mask", floats(type, [-Infinity]), floats(type, [1])];
    expect([...runGrad("logSumExpGrad", c, empty, into, 1)]).toEqual([9, 9, 9]);
    const logs = floats(type, [NaN, NaN, NaN]);
    expect([...runGrad("logSoftmaxGrad", c, [logs, "mask", floats(type, [0, 0, 0])], into, 0)]).toEqual([0, 0, 0]);
  });
});

describe.each(TYPES)("reductions, %s", (type) => {
  const size = type === "f32" ? 4 : 8;

  function run(name: "sum" | "max", outer: number, n: number, inner: number, x: Floats): Floats {
    const arena = new Arena();
    const [px, out] = [arena.place(x, size), arena.place(new Uint8Array(outer * inner * size), size)];
    kernels[`${name}_${type}`](outer, n, inner, px, out);
    arena.check();
    return arena.read(type, out, outer * inner);
  }

  function reduced(
    outer: number,
    n: number,
    inner: number,
    x: Floats,
    f: (a: number, b: number) => number,
    start: number,
  ) {
    const out = Array.from({ length: outer * inner }, (_, at) => {
      let s = start;
      for (let k = 0; k < n; k++) s = f(s, x[(Math.floor(at / inner) * n + k) * inner + (at % inner)]!);
      return s;
    });
    return floats(type, out);
  }

  test("sum and max, any size, to the bit, seed 10", () => {
    const random = generator(10);
    for (const outer of [1, 3, 4, 9]) {
      for (const n of [0, 1, 2, 7, 50]) {
        for (const inner of [0, 1, 2, 3, 5, 8, 23]) {
          const x = randoms(type, outer * n * inner, random);
          expect(run("sum", outer, n, inner, x)).toEqual(reduced(outer, n, inner, x, (a, b) => a + b, 0));
          expect(run("max", outer, n, inner, x)).toEqual(reduced(outer, n, inner, x, Math.max, -Infinity));
        }
      }
    }
  });

  test("zeros between the terms change no bit of a sum, seed 11", () => {
    const x = randoms(type, 40, generator(11));
    for (const inner of [1, 10]) {
      const rows = Array.from({ length: 40 / inner }, (_, k) => [...x.subarray(k * inner, (k + 1) * inner)]);
      const spaced = floats(type, rows.flatMap((row) => [...row, ...row.map(() => 0)])); // prettier-ignore
      expect(run("sum", 1, 80 / inner, inner, spaced)).toEqual(run("sum", 1, 40 / inner, inner, x));
    }
  });

  test("max hands NaN on", () => {
    // prettier-ignore
    for (const [n, inner] of [[11, 1], [1, 11], [3, 5]] as const) {
      for (let at = 0; at < n * inner; at++) {
        const x = floats(type, Array(n * inner).fill(1));
        x[at] = NaN;
        const want = Array.from({ length: inner }, (_, j) => (j === at % inner ? NaN : 1));
        expect([...run("max", 1, n, inner, x)]).toEqual(want);
      }
    }
  });
});

describe("strided layout", () => {
  /** All offsets of an array with these strides, in order. */
  function offsets(dims: number[], strides: number[]): number[] {
    return dims.reduce<number[]>(
      (all, size, axis) => all.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * strides[axis]!)),
      [0],
    );
  }

  /** Strides of an array whose axes lie in memory in a random order, some of them reversed or, if allowed, repeated. */
  function randomStrides(dims: number[], random: () => number, repeats: boolean): number[] {
    const order = dims.map((_, axis) => axis);
    if (random() < 0.6) order.sort(() => random() - 0.5);
    const strides = dims.map(() => 0);
    let stride = random() < 0.7 ? 1 : 2;
    for (const axis of order.reverse()) {
      if (repeats && random() < 0.25) continue;
      strides[axis] = random() < 0.2 ? -stride : stride;
      stride *= dims[axis]!;
    }
    return strides;
  }

  function described(dims: number[], srcStrides: number[], dstStrides: number[]): string {
    return `dims ${dims.join()} from ${srcStrides.join()} to ${dstStrides.join()}`;
  }

  function place(arena: Arena, dims: number[], strides: number[], width: number, random: () => number) {
    const all = offsets(dims, strides);
    const first = all.reduce((most, at) => Math.max(most, -at), 0);
    const last = all.reduce((most, at) => Math.max(most, at), -1);
    const values = Uint8Array.from({ length: (first + last + 1) * width }, () => Math.floor(random() * 256));
    return { all: all.map((at) => at + first), values, at: arena.place(values, width) + first * width, first };
  }

  test.each([1, 4, 8])("copyStrided, %i bytes wide, seed 12", (width) => {
    const random = generator(12 + width);
    const kernel = { 1: kernels.copyStrided_u8, 4: kernels.copyStrided_u32, 8: kernels.copyStrided_u64 }[width]!;
    for (let run = 0; run < 400; run++) {
      const rank = Math.floor(random() * 9);
      const dims = Array.from(
        { length: rank },
        () => Math.floor(random() * (rank > 5 ? 3 : 6)) + (random() < 0.95 ? 1 : 0),
      );
      if (run % 10 === 0) dims.push(...(rank < 8 ? [100] : []));
      const srcStrides = randomStrides(dims, random, true);
      const dstStrides = randomStrides(dims, random, false);
      const arena = new Arena();
      const [src, dst] = [place(arena, dims, srcStrides, width, random), place(arena, dims, dstStrides, width, random)];
      const [pd, ps, pt] = [dims, srcStrides, dstStrides].map((list) => arena.place(Int32Array.from(list)));
      kernel(dims.length, pd!, src.at, ps!, dst.at, pt!);
      arena.check();
      const want = dst.values.slice();
      src.all.forEach((from, i) => {
        for (let b = 0; b < width; b++) want[dst.all[i]! * width + b] = src.values[from * width + b]!;
      });
      const got = arena.bytes(dst.at - dst.first * width, want.length);
      expect(Buffer.compare(got, want), described(dims, srcStrides, dstStrides)).toBe(0);
    }
  });

  test.each([1, 4, 8])("transposed matrices, %i bytes wide, seed 16", (width) => {
    const random = generator(16 + width);
    const kernel = { 1: kernels.copyStrided_u8, 4: kernels.copyStrided_u32, 8: kernels.copyStrided_u64 }[width]!;
    for (const rows of [1, 2, 5, 15, 16, 17, 35]) {
      for (const columns of [1, 3, 4, 9, 16, 30]) {
        const dims = [2, rows, columns];
        const apart = rows + (rows % 3); // of the source's rows
        const [srcStrides, dstStrides] = [
          [columns * apart, 1, apart],
          [rows * (columns + 1), columns + 1, 1],
        ];
        const arena = new Arena();
        const src = place(arena, dims, srcStrides, width, random);
        const dst = place(arena, dims, dstStrides, width, random);
        const [pd, ps, pt] = [dims, srcStrides, dstStrides].map((list) => arena.place(Int32Array.from(list)));
        kernel(dims.length, pd!, src.at, ps!, dst.at, pt!);
        arena.check();
        const want = dst.values.slice();
        src.all.forEach((from, i) => {
          for (let b = 0; b < width; b++) want[dst.all[i]! * width + b] = src.values[from * width + b]!;
        });
        expect(Buffer.compare(arena.bytes(dst.at, want.length), want), `${rows} × ${columns}`).toBe(0);
      }
    }
  });

  test.each(TYPES)("addStrided_%s adds repeated places up, seed 13", (type) => {
    const random = generator(13);
    const size = type === "f32" ? 4 : 8;
    for (let run = 0; run < 300; run++) {
      const dims = Array.from({ length: Math.floor(random() * 5) }, () => 1 + Math.floor(random() * 6));
      const [srcStrides, dstStrides] = [randomStrides(dims, random, true), randomStrides(dims, random, true)];
      const [from, to] = [offsets(dims, srcStrides), offsets(dims, dstStrides)];
      const [firstFrom, firstTo] = [-Math.min(...from), -Math.min(...to)];
      const src = randoms(type, firstFrom + Math.max(...from) + 1, random);
      const dst = randoms(type, firstTo + Math.max(...to) + 1, random);
      const arena = new Arena();
      const [px, py] = [arena.place(src, size), arena.place(dst, size)];
      const [pd, ps, pt] = [dims, srcStrides, dstStrides].map((list) => arena.place(Int32Array.from(list)));
      kernels[`addStrided_${type}`](dims.length, pd!, px + firstFrom * size, ps!, py + firstTo * size, pt!);
      arena.check();
      const want = dst.slice();
      from.forEach((at, i) => (want[firstTo + to[i]!]! += src[firstFrom + at]!));
      const got = arena.read(type, py, dst.length);
      expect(firstDifference(got, want), described(dims, srcStrides, dstStrides)).toBe(-1);
    }
  });
});

test.each(TYPES)("takeRows and scatterAddRows, %s, seed 14", (type) => {
  const random = generator(14);
  const size = type === "f32" ? 4 : 8;
  for (const width of [0, 1, 3, 4, 17, 64, 100]) {
    const index = Int32Array.of(2, 0, 2, 6, 2);
    const table = randoms(type, 7 * width, random);
    const src = randoms(type, index.length * width, random);
    const arena = new Arena();
    const [pt, ps, pi] = [arena.place(table, size), arena.place(src, size), arena.place(index)];
    const out = arena.place(new Uint8Array(src.byteLength), size);
    kernels[`takeRows_${type}`](index.length, width, pt, pi, out);
    arena.check();
    const taken = [...index].flatMap((i) => [...table.subarray(i * width, (i + 1) * width)]);
    expect(arena.read(type, out, src.length)).toEqual(floats(type, taken));
    kernels[`scatterAddRows_${type}`](index.length, width, ps, pi, pt);
    arena.check();
    const want = table.slice();
    src.forEach((value, i) => (want[index[Math.floor(i / width)]! * width + (i % width)]! += value));
    expect(arena.read(type, pt, table.length)).toEqual(want);
  }
});

test("addresses above 2 GB", () => {
  const high = 2 ** 31 + 65536;
  const memory = new WebAssembly.Memory({ initial: high / 65536 + 1, maximum: 65536 });
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
  const [x, out] = [high, high + 256];
  new Float32Array(memory.buffer, x, 6).set([1, 2, 3, 4, 5, 6]);
  const read = (n: number): number[] => [...new Float32Array(memory.buffer, out, n)];
  kernels.add_f32(6, x, x, out);
  expect(read(6)).toEqual([2, 4, 6, 8, 10, 12]);
  kernels.gemm_f32(2, 2, 3, x + 20, -3, -1, x, 2, 1, out, 2, 0, 0, high - 2 ** 24);
  expect(read(4)).toEqual([41, 56, 14, 20]); // [6 5 4; 3 2 1] · [1 2; 3 4; 5 6]
  new Int32Array(memory.buffer, high + 512, 4).set([6, -1, 1, 0]);
  kernels.copyStrided_u32(1, high + 512, x + 20, high + 516, out, high + 520);
  expect(read(6)).toEqual([6, 5, 4, 3, 2, 1]);
  kernels.sum_f32(2, 3, 1, x, out);
  expect(read(2)).toEqual([6, 15]);
});

test("the module: aligned heap, under 60 KB", () => {
  expect(base % 64).toBe(0);
  expect(base).toBeLessThan(65536);
  expect(Buffer.from(moduleBase64, "base64").length).toBeLessThan(60 * 1024);
});
