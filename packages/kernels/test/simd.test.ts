// Each kernel in its WebAssembly form and as its readable twin, in and out of a step, on the same data.
import { describe, expect, it } from "vitest";
import type { NdArray } from "../src/index.ts";
import {
  expectClose,
  expectSame,
  filled,
  generator,
  outcome,
  randoms,
  type Run,
  seed,
  simd,
  twin,
  ulp,
} from "./support.ts";

type Float = "float32" | "float64";
const floats: readonly Float[] = ["float32", "float64"];
const suffix = { float32: "f32", float64: "f64" } as const;
const epsilon = { float32: 2 ** -24, float64: 2 ** -53 } as const;
/** 1 element, a part of a vector, around a vector, around what is copied whole, and several blocks of rows. */
const sizes = [0, 1, 3, 7, 64, 65, 1023, 1024, 1025, 40_001];

/** What both forms must agree on: 0 where bits are equal, otherwise how far the i-th element may be off. */
type Allowed = (want: number, i: number) => number;
const exact: Allowed = () => 0;

/** Runs the twin once, and the SIMD form in and out of a step, and compares; `forms` must have run. */
function expectTwin(run: Run, forms: readonly string[], allowed: Allowed = exact): void {
  const want = outcome(twin, false, run);
  expect(want.forms.filter((form) => !form.endsWith("_twin"))).toEqual([]);
  for (const inStep of [false, true]) {
    const bare = outcome(twin, inStep, run);
    bare.values.forEach((values, i) => expectSame(values, want.values[i]!));
    const got = outcome(simd, inStep, run);
    expect(got.shapes).toEqual(want.shapes);
    got.values.forEach((values, i) => expectClose(values, want.values[i]!, (j) => allowed(want.values[i]![j]!, j)));
    expect(got.forms).toEqual(expect.arrayContaining([...forms]));
  }
}

/** Numbers where kernels tend to differ. */
const edges = (dtype: Float): number[] => {
  const tiny = dtype === "float32" ? 2 ** -149 : 5e-324;
  const normal = dtype === "float32" ? 2 ** -126 : 2 ** -1022;
  const huge = dtype === "float32" ? 3.4028234663852886e38 : Number.MAX_VALUE;
  return [0, tiny, normal, normal - tiny, 1e-8, 0.5, 1, 3, 88.5, 709.5, huge, Infinity, NaN].flatMap((x) => [x, -x]);
};

describe.each(floats)(`elementwise, %s, seed ${seed}`, (dtype) => {
  /** The twins of float32 compute in float64 and round once; tolerances are in units of the last place. */
  const unaries = [
    ["neg", 0],
    ["sqrt", 0],
    ["abs", 0],
    ["sign", 0],
    ["square", 0],
    ["reciprocal", 0],
    ["rsqrt", 1.5],
    ["relu", 0],
    ["exp", 2],
    ["log", 2],
    ["tanh", 3],
    ["sigmoid", 4],
    ["expm1", 2],
    ["log1p", 2],
    ["sin", 2],
    ["cos", 2],
    ["erf", 2],
    ["softplus", 3],
    ["silu", 4],
    ["gelu", 5],
    ["geluTanh", 5],
  ] as const;
  it.each(unaries)("%s agrees with its twin to %i ulp", (name, ulps) => {
    const allowed: Allowed = (want) => ulps * ulp(want, dtype);
    const form = `${name}_${suffix[dtype]}`;
    for (const n of sizes) {
      const values = randoms(n, dtype, generator(seed + n), 20).map((x) => (name === "log" ? Math.abs(x) : x));
      expectTwin((k, place) => k[name](place(values, [n], dtype)), [form], allowed);
    }
    const values = edges(dtype);
    expectTwin((k, place) => k[name](place(values, [values.length], dtype)), [form], allowed);
  });

  it("leakyRelu and clip agree with their twins to the bit", () => {
    for (const values of [edges(dtype), ...sizes.map((n) => randoms(n, dtype, generator(seed + n)))]) {
      expectTwin(
        (k, place) => {
          const x = place(values, [values.length], dtype);
          return [k.leakyRelu(x, 0.01), k.clip(x, -0.7, 0.1)];
        },
        [`leakyRelu_${suffix[dtype]}`, `clip_${suffix[dtype]}`],
      );
    }
  });

  it("pow agrees with its twin to a unit of the last place", () => {
    for (const n of sizes) {
      const random = generator(seed + n);
      const [x, y] = [randoms(n, dtype, random), randoms(n, dtype, random)];
      const allowed: Allowed = (want) => ulp(want, dtype);
      expectTwin((k, place) => k.pow(place(x, [n], dtype), place(y, [n], dtype)), [`pow_${suffix[dtype]}`], allowed);
    }
  });

  const binaries = ["add", "sub", "mul", "div", "divNoNan", "mulNoNan", "maximum", "minimum"] as const;
  it.each(binaries)("%s agrees with its twin to the bit", (name) => {
    const form = `${name}_${suffix[dtype]}`;
    for (const n of sizes) {
      const random = generator(seed + n);
      const [x, y] = [randoms(n, dtype, random), randoms(n, dtype, random)];
      expectTwin((k, place) => k[name](place(x, [n], dtype), place(y, [n], dtype)), [form]);
    }
    const x = edges(dtype).flatMap((value) => edges(dtype).map(() => value));
    const y = edges(dtype).flatMap(() => edges(dtype));
    expectTwin((k, place) => k[name](place(x, [x.length], dtype), place(y, [y.length], dtype)), [form]);
  });

  const comparisons = [
    ["equal", "equal"],
    ["notEqual", "notEqual"],
    ["less", "less"],
    ["lessEqual", "lessEqual"],
    ["greater", "less"],
    ["greaterEqual", "lessEqual"],
  ] as const;
  it.each(comparisons)("%s agrees with its twin", (name, form) => {
    for (const n of sizes) {
      const random = generator(seed + n);
      const [x, y] = [randoms(n, dtype, random, 1), randoms(n, dtype, random, 1)].map((list) =>
        list.map((value) => Math.round(2 * value)),
      ) as [number[], number[]]; // many are equal
      expectTwin((k, place) => k[name](place(x, [n], dtype), place(y, [n], dtype)), [`${form}_${suffix[dtype]}`]);
    }
    const x = edges(dtype).flatMap((value) => edges(dtype).map(() => value));
    const y = edges(dtype).flatMap(() => edges(dtype));
    const run: Run = (k, place) => k[name](place(x, [x.length], dtype), place(y, [y.length], dtype));
    expectTwin(run, [`${form}_${suffix[dtype]}`]);
  });

  it("operands that are one array are read twice, never overwritten", () => {
    const values = edges(dtype);
    expectTwin(
      (k, place) => {
        const x = place(values, [values.length], dtype);
        return [k.add(x, x), k.mul(x, x), x];
      },
      [`add_${suffix[dtype]}`, `mul_${suffix[dtype]}`],
    );
  });

  it("scaleInto writes where it is told, also over x itself, and is 0 for a factor of 0", () => {
    for (const n of sizes) {
      const random = generator(seed + n);
      const [x, before] = [randoms(n, dtype, random), randoms(n, dtype, random)];
      const allowed: Allowed = (_, i) => 2 * epsilon[dtype] * (Math.abs(x[i]!) + Math.abs(before[i]!));
      const run: Run = (k, place) => {
        const from = k.copy(place(x, [n], dtype));
        const targets = [0, 1, 2, 3].map(() => k.copy(place(before, [n], dtype)));
        k.scaleInto(targets[0]!, 0, from, 0.1);
        k.scaleInto(targets[1]!, 1, from, -0.1);
        k.scaleInto(from, 0, from, 0.3);
        const nan = k.log(k.neg(k.exp(from)));
        k.scaleInto(targets[2]!, 0, nan, 0);
        k.scaleInto(targets[3]!, 1, nan, 0);
        return [...targets, from];
      };
      expectTwin(run, [`scale_${suffix[dtype]}`], allowed);
    }
  });

  it("addInto, addTo and mulNoNanInto write where they are told", () => {
    for (const n of [5, 1024, 3001]) {
      const random = generator(seed + n);
      const [x, y, z] = [randoms(n, dtype, random), randoms(n, dtype, random), randoms(n, dtype, random)];
      expectTwin(
        (k, place) => {
          const [a, b] = [place(x, [n], dtype), place(y, [n], dtype)];
          const targets = [0, 1, 2, 3].map(() => k.copy(place(z, [n], dtype)));
          k.addInto(targets[0]!, a);
          k.addTo(targets[1]!, a, b);
          k.mulNoNanInto(targets[2]!, 0, a, b);
          k.mulNoNanInto(targets[3]!, 1, a, b);
          return targets;
        },
        [`add_${suffix[dtype]}`, `mulNoNan_${suffix[dtype]}`],
      );
    }
  });

  it.each(["tanhGrad", "sigmoidGrad", "reluGrad"] as const)(
    "%s agrees with its twin, overwriting and adding",
    (name) => {
      for (const n of sizes) {
        const random = generator(seed + n);
        const [y, dy, before] = [randoms(n, dtype, random, 1), randoms(n, dtype, random), randoms(n, dtype, random)];
        dy.forEach((_, i) => i % 5 === 0 && (dy[i] = 0));
        for (const beta of [0, 1] as const) {
          // 1 − y² loses what its terms were rounded by, and so does the sum with what was there.
          const allowed: Allowed = (_, i) => 8 * epsilon[dtype] * (Math.abs(dy[i]!) + beta * Math.abs(before[i]!));
          const run: Run = (k, place) => {
            const into = k.copy(place(before, [n], dtype));
            k[name](into, beta, place(y, [n], dtype), place(dy, [n], dtype));
            return into;
          };
          expectTwin(run, [`${name}_${suffix[dtype]}`], allowed);
        }
      }
    },
  );

  it.each(["tanhGrad", "sigmoidGrad", "reluGrad"] as const)(
    "%s of a cotangent of 0 is 0, whatever the output",
    (name) => {
      const y = edges(dtype);
      expectTwin(
        (k, place) => {
          const into = filled(k, [y.length], 7, dtype);
          k[name](into, 0, place(y, [y.length], dtype), filled(k, [y.length], 0, dtype));
          return into;
        },
        [`${name}_${suffix[dtype]}`],
      );
    },
  );
});

describe("int32 and bool run on the twin", () => {
  const names = ["add", "sub", "mul", "div", "divNoNan", "mulNoNan", "maximum", "minimum"] as const;
  it.each(names)("%s of int32", (name) => {
    const edge = [0, 1, -1, 2147483647, -2147483648, 65537];
    const x = edge.flatMap((value) => edge.map(() => value));
    const y = edge.flatMap(() => edge);
    expectTwin((k, place) => k[name](place(x, [x.length], "int32"), place(y, [y.length], "int32")), [`${name}_twin`]);
  });

  it("products of int32 wrap as in C, also where float64 would have rounded them", () => {
    const run: Run = (k, place) =>
      k.mul(place([0x7fffffff, 123456789], [2], "int32"), place([0x7fffffff, 987654321], [2], "int32"));
    expectSame(outcome(simd, false, run).values[0]!, [1, Math.imul(123456789, 987654321)]);
  });

  // The twin of x > y is that of y < x.
  const comparisons = [
    ["equal", "equal"],
    ["notEqual", "notEqual"],
    ["less", "less"],
    ["lessEqual", "lessEqual"],
    ["greater", "less"],
    ["greaterEqual", "lessEqual"],
    ["logicalAnd", "logicalAnd"],
    ["logicalOr", "logicalOr"],
  ] as const;
  it.each(comparisons)("%s gives bool, whatever it compares", (name, form) => {
    for (const dtype of ["bool", "int32", "float32", "float64"] as const) {
      const run: Run = (k, place) => k[name](place([0, 0, 1, 1], [4], dtype), place([0, 1, 0, 1], [4], dtype));
      const inWasm = dtype in suffix && !name.startsWith("logical");
      expectTwin(run, [inWasm ? `${form}_${suffix[dtype as Float]}` : `${form}_twin`]);
      expect(outcome(simd, true, run).values[0]).toBeInstanceOf(Uint8Array);
    }
  });
});

describe.each(["float32", "float64", "int32", "bool"] as const)(`selection of %s, seed ${seed}`, (dtype) => {
  const form = { float32: "select_u32", float64: "select_u64", int32: "select_u32", bool: "select_u8" }[dtype];
  it("takes the same bits as its twin", () => {
    for (const n of sizes) {
      const random = generator(seed + n);
      const [c, x, y] = [randoms(n, "bool", random), randoms(n, dtype, random), randoms(n, dtype, random)];
      expectTwin((k, place) => k.select(place(c, [n], "bool"), place(x, [n], dtype), place(y, [n], dtype)), [form]);
    }
  });
});

describe(`comparison, selection, casts and loops, seed ${seed}`, () => {
  it("comparisons are IEEE: NaN is unequal to itself, −0 equals 0", () => {
    const [x, y] = [
      [NaN, 0, -Infinity, 1],
      [NaN, -0, Infinity, NaN],
    ];
    const run: Run = (k, place) => {
      const [a, b] = [place(x, [4], "float64"), place(y, [4], "float64")];
      return [k.equal(a, b), k.notEqual(a, b), k.less(a, b), k.lessEqual(a, b), k.greater(a, b), k.greaterEqual(a, b)];
    };
    for (const inStep of [false, true]) {
      expect(outcome(simd, inStep, run).values.map((values) => [...values])).toEqual([
        [0, 1, 0, 0],
        [1, 0, 1, 1],
        [0, 0, 1, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 0],
        [0, 1, 0, 0],
      ]);
    }
  });

  it("select takes each element from one side and does not look at the other", () => {
    const run: Run = (k, place) =>
      k.select(
        place([1, 0, 1], [3], "bool"),
        place([1, NaN, -0], [3], "float32"),
        place([NaN, 2, Infinity], [3], "float32"),
      );
    for (const inStep of [false, true]) expectSame(outcome(simd, inStep, run).values[0]!, [1, 2, -0]);
  });

  it("cast to bool asks for ≠ 0, to int32 it truncates, to float32 it rounds", () => {
    const run: Run = (k, place) => {
      const x = place([0, -0.5, 1.9, -2.9, NaN, 0.1], [6], "float64");
      return [k.cast(x, "bool"), k.cast(x, "int32"), k.cast(x, "float32"), k.cast(k.cast(x, "bool"), "float64")];
    };
    for (const inStep of [false, true]) {
      const [bool, int, float, back] = outcome(simd, inStep, run).values;
      expectSame(bool!, [0, 1, 1, 1, 1, 1]);
      expectSame(int!, [0, 0, 1, -2, 0, 0]);
      expectSame(float!, [0, -0.5, 1.9, -2.9, NaN, 0.1].map(Math.fround));
      expectSame(back!, [0, 1, 1, 1, 1, 1]);
    }
  });

  it("a loop of one's own gets exactly the elements of each array", () => {
    const run: Run = (k, place) =>
      k.loop([place([1, 2, 3], [3], "float32"), place([5, 6, 7], [3], "int32")], [3], "float64", (out, x, n) => {
        expect([out.length, x.length, n.length]).toEqual([3, 3, 3]);
        for (let i = 0; i < 3; i++) out[i] = x[i]! * n[i]!;
      });
    for (const k of [simd, twin])
      for (const inStep of [false, true]) expectSame(outcome(k, inStep, run).values[0]!, [5, 12, 21]);
  });

  it("findIndex gives the first place that passes, or −1", () => {
    for (const inStep of [false, true]) {
      outcome(simd, inStep, (k, place) => {
        const x = place([4, 5, NaN, 5], [4], "float32");
        expect([5, 9].map((wanted) => k.findIndex(x, (value) => value === wanted))).toEqual([1, -1]);
        expect(k.findIndex(x, Number.isNaN)).toBe(2);
        return [];
      });
    }
  });
});

describe.each(floats)(`sums, maxima and minima, %s, seed ${seed}`, (dtype) => {
  const shapes = [
    [[0], [7]],
    [[0], [3, 5]],
    [[1], [3, 5]],
    [[1], [2, 3, 17]],
    [
      [0, 2],
      [4, 3, 5],
    ],
    [
      [1, 2],
      [2, 3, 4, 5],
    ],
    [
      [0, 1, 2, 3],
      [2, 3, 4, 5],
    ],
    [[1], [9, 1, 33]],
    [[1], [5, 0, 2]],
    [[1], [0, 3]],
    [[0], [200, 70]],
    [[1], [300, 70]],
  ] as const;
  it.each(shapes)("over axes %j of %j, to the bit", (axes, shape) => {
    const values = randoms(simd.sizeOf(shape), dtype, generator(seed));
    for (const name of ["sum", "max", "min"] as const) {
      expectTwin((k, place) => k[name](place(values, shape, dtype), axes), [`${name}_${suffix[dtype]}`]);
    }
  });

  it("NaN, infinities and the sign of 0 come out as the twin has them", () => {
    const rows = [
      [1, NaN, Infinity],
      [-Infinity, -1, -Infinity],
      [-0, -0, -0],
      [-0, 0, -0],
      [Infinity, -Infinity, 1],
      [-Infinity, -Infinity, -Infinity],
    ];
    for (const [values, shape, axes] of [
      [rows.flat(), [6, 3], [1]],
      [[0, 1, 2].flatMap((j) => rows.map((row) => row[j]!)), [3, 6], [0]],
    ] as const) {
      expectTwin((k, place) => k.sum(place(values, shape, dtype), axes), [`sum_${suffix[dtype]}`]);
      expectTwin((k, place) => k.max(place(values, shape, dtype), axes), [`max_${suffix[dtype]}`]);
      expectTwin((k, place) => k.min(place(values, shape, dtype), axes), [`min_${suffix[dtype]}`]);
    }
  });

  it("outside of a step short rows are staged, and long ones left to the twin, which says so", () => {
    const form = (shape: readonly number[], axes: readonly number[]): readonly string[] =>
      outcome(simd, false, (k) => k.sum(filled(k, shape, 1, dtype), axes)).forms;
    expect(form([20_000, 2], [1])).toEqual([`sum_${suffix[dtype]}`]);
    expect(form([3, 4], [0])).toEqual([`sum_${suffix[dtype]}`]);
    expect(form([20_000, 2], [0])).toEqual(["sum_twin"]);
  });

  it("is off by no more than n·2⁻⁵³·Σ |x|, and the rounding", () => {
    const random = generator(seed);
    for (const n of [1, 10, 1000, 30_000]) {
      const values = randoms(n, dtype, random, 1).map((x) => (dtype === "float32" ? Math.fround(x) : x));
      const [sum, size] = [exactSum(values), exactSum(values.map(Math.abs))];
      const got = outcome(simd, true, (k, place) => k.sum(place(values, [n], dtype), [0])).values[0]![0]!;
      const rounding = dtype === "float32" ? ulp(sum, dtype) / 2 : 0;
      expect(Math.abs(got - sum)).toBeLessThanOrEqual(n * 2 ** -53 * size + rounding);
    }
  });

  it("a sum is one float64 accumulator in row order: zeros put in between change no bit", () => {
    const random = generator(seed);
    for (const inStep of [false, true]) {
      for (const inner of [1, 3, 11]) {
        const values = randoms(50 * inner, dtype, random).map((x) => x * 10 ** (12 * random())); // of all sizes
        const padded: number[] = [];
        for (let i = 0; i < 50; i++) {
          padded.push(...values.slice(i * inner, (i + 1) * inner), ...new Array<number>((i % 4) * inner).fill(0));
        }
        const total = (data: number[]): ArrayLike<number> =>
          outcome(simd, inStep, (k, place) => k.sum(place(data, [data.length / inner, inner], dtype), [0])).values[0]!;
        expectSame(total(padded), total(values));
        const inOrder = Array.from({ length: inner }, (_, j) => {
          const column = values.filter((__, i) => i % inner === j);
          return column.map(dtype === "float32" ? Math.fround : Number).reduce((sum, x) => sum + x, 0);
        });
        expectSame(total(values), dtype === "float32" ? inOrder.map(Math.fround) : inOrder);
      }
    }
  });
});

describe.each(floats)(`norm and variance, %s, seed ${seed}`, (dtype) => {
  const names = ["norm", "variance"] as const;
  const shapes = [
    [[1], [5, 1]],
    [[1], [5, 8]],
    [[1], [40, 133]],
    [[1], [300, 70]],
    [[1], [3, 0]],
    [[1], [0, 3]],
    [[0], [33, 5]],
    [
      [0, 2],
      [3, 4, 5],
    ],
    [[0], [40_001]],
    [
      [0, 1],
      [7, 9],
    ],
  ] as const;
  it.each(shapes)("over axes %j of %j, to the bit", (axes, shape) => {
    const values = randoms(simd.sizeOf(shape), dtype, generator(seed));
    for (const name of names) {
      expectTwin((k, place) => k[name](place(values, shape, dtype), axes, 7), [`${name}_${suffix[dtype]}`]);
    }
  });

  it("NaN and infinities come out as the twin has them", () => {
    const x = [1, NaN, 2, Infinity, 1, 1, -Infinity, Infinity, 0, -0, 0, -0];
    for (const name of names) {
      expectTwin((k, place) => k[name](place(x, [4, 3], dtype), [1], 3), [`${name}_${suffix[dtype]}`]);
    }
  });

  it("errors stay below the bounds that their comments state", () => {
    const random = generator(seed);
    for (const n of [1, 7, 1000, 30_000]) {
      const values = randoms(n, dtype, random, 1).map((x) => (dtype === "float32" ? Math.fround(x) : x) + 0);
      const run: Run = (k, place) => [
        k.norm(place(values, [n], dtype), [0]),
        k.variance(place(values, [n], dtype), [0], n),
      ];
      const [norm, spread] = outcome(simd, true, run).values.map(([value]) => value!) as [number, number];
      const mean = exactSum(values) / n;
      const wanted = [
        Math.sqrt(exactSum(values.map((x) => x * x))),
        exactSum(values.map((x) => (x - mean) ** 2)) / n,
      ] as const;
      const u = 2 ** -53;
      const rounding = wanted.map((value) => (dtype === "float32" ? ulp(value, dtype) / 2 : 4 * u * value)); // of `wanted` too
      expect(Math.abs(norm - wanted[0])).toBeLessThanOrEqual((n / 16 + 6) * u * wanted[0] + rounding[0]!);
      const off = (n / 8 + 8) * u * (exactSum(values.map(Math.abs)) / n);
      expect(Math.abs(spread - wanted[1])).toBeLessThanOrEqual((n / 8 + 12) * u * wanted[1] + off ** 2 + rounding[1]!);
    }
  });
});

/** Σ x, rounded once: the errors of a running sum are summed beside it (Neumaier). */
function exactSum(values: readonly number[]): number {
  let [sum, rest] = [0, 0];
  for (const x of values) {
    const next = sum + x;
    rest += Math.abs(sum) >= Math.abs(x) ? sum - next + x : x - next + sum;
    sum = next;
  }
  return sum + rest;
}

it("sums and maxima of int32 are whole numbers, also in a step", () => {
  const run: Run = (k, place) => {
    const x = place([1, -5, 2147483647, 1, 7, 7], [2, 3], "int32");
    return [k.sum(x, [1]), k.max(x, [1]), k.sum(x, [0])];
  };
  for (const k of [simd, twin]) {
    for (const inStep of [false, true]) {
      const { values } = outcome(k, inStep, run);
      expect(values.map((v) => [...v])).toEqual([
        [2147483643, 15],
        [2147483647, 7],
        [2, 2, -2147483642],
      ]);
    }
  }
});

it("argMax gives the first of the largest, or the first NaN", () => {
  const x = [1, 9, 9, 2, NaN, 5, NaN, 9, -Infinity, -Infinity, -Infinity, -Infinity];
  const run: Run = (k, place) => [k.argMax(place(x, [3, 4], "float32"), 1), k.argMax(place(x, [3, 4], "float32"), 0)];
  for (const inStep of [false, true]) {
    const [rows, columns] = outcome(simd, inStep, run).values;
    expectSame(rows!, [1, 0, 0]);
    expectSame(columns!, [1, 0, 1, 1]);
  }
});

describe.each(floats)(`softmax and its family, %s, seed ${seed}`, (dtype) => {
  const names = ["softmax", "logSoftmax", "logSumExp"] as const;
  const shapes = [
    [1, [1, 1]],
    [1, [3, 7]],
    [0, [7, 3]],
    [1, [2, 5, 4]],
    [1, [700, 65]],
    [1, [0, 4]],
  ] as const;
  /** Sums run in another order than the twin's, over numbers of size 10; the rest is in units of the last place. */
  const allowed: Allowed = (want) => 8 * ulp(want, dtype) + 40 * epsilon[dtype];

  it.each(shapes)("along axis %i of %j, with and without a mask", (axis, shape) => {
    const random = generator(seed);
    const size = simd.sizeOf(shape);
    const [x, mask] = [randoms(size, dtype, random, 5), randoms(size, "bool", random)];
    for (const name of names) {
      for (const m of [null, mask]) {
        const run: Run = (k, place) => k[name](place(x, shape, dtype), m && place(m, shape, "bool"), axis);
        expectTwin(run, [`${name}_${suffix[dtype]}`], allowed);
      }
    }
  });

  it.each(shapes)("their pull-backs along axis %i of %j, overwriting and adding", (axis, shape) => {
    const random = generator(seed);
    const size = simd.sizeOf(shape);
    const rows = shape.filter((_, i) => i !== axis);
    const [x, dy, before] = [
      randoms(size, dtype, random, 5),
      randoms(size, dtype, random),
      randoms(size, dtype, random),
    ];
    const [mask, rowDy] = [randoms(size, "bool", random), randoms(simd.sizeOf(rows), dtype, random)];
    for (const beta of [0, 1] as const) {
      for (const m of [null, mask]) {
        const run: Run = (k, place) => {
          const [a, dys] = [place(x, shape, dtype), place(dy, shape, dtype)];
          const counts = m && place(m, shape, "bool");
          const [y, logY, row] = [
            k.softmax(a, counts, axis),
            k.logSoftmax(a, counts, axis),
            k.logSumExp(a, counts, axis),
          ];
          const into = [0, 1, 2].map(() => k.copy(place(before, shape, dtype)));
          k.softmaxGrad(into[0]!, beta, y, dys, axis);
          k.logSoftmaxGrad(into[1]!, beta, logY, counts, dys, axis);
          k.logSumExpGrad(into[2]!, beta, a, counts, row, place(rowDy, rows, dtype), axis);
          return into;
        };
        const forms = names.map((name) => `${name}Grad_${suffix[dtype]}`);
        expectTwin(run, forms, (want) => allowed(want, 0) + 3 * shape[axis] * epsilon[dtype]);
      }
    }
  });

  it("NaN, ±∞ and any other value where the mask is false change nothing", () => {
    const [n, rows] = [5, 6];
    const mask = [1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1];
    const x = randoms(n * rows, dtype, generator(seed));
    for (const filler of [NaN, Infinity, -Infinity, 1e30, -1e30]) {
      for (const k of [simd, twin]) {
        for (const inStep of [false, true]) {
          const values = (fill: number): ArrayLike<number>[] => {
            const data = x.map((value, i) => (mask[i] ? value : fill));
            const run: Run = (kernels, place) => {
              const [a, m] = [place(data, [rows, n], dtype), place(mask, [rows, n], "bool")];
              const dy = place(data, [rows, n], dtype);
              const into = filled(kernels, [rows, n], 0, dtype);
              kernels.logSoftmaxGrad(into, 0, kernels.logSoftmax(a, m, 1), m, dy, 1);
              return [...names.map((name) => kernels[name](a, m, 1)), into];
            };
            return [...outcome(k, inStep, run).values];
          };
          const [got, want] = [values(filler), values(0)];
          got.forEach((value, i) => expectSame(value, want[i]!));
        }
      }
    }
  });

  it("a row of which nothing counts is 0, −∞ and −∞; the pull-backs of such rows are 0", () => {
    for (const k of [simd, twin]) {
      const run: Run = (kernels, place) => {
        const [x, mask] = [place([NaN, Infinity, 3], [1, 3], dtype), place([0, 0, 0], [1, 3], "bool")];
        const dy = place([1, 2, 3], [1, 3], dtype);
        const y = kernels.softmax(x, mask, 1);
        const [logY, row] = [kernels.logSoftmax(x, mask, 1), kernels.logSumExp(x, mask, 1)];
        const into = [0, 1, 2].map(() => filled(kernels, [1, 3], 9, dtype));
        kernels.softmaxGrad(into[0]!, 0, y, dy, 1);
        kernels.logSoftmaxGrad(into[1]!, 0, logY, mask, dy, 1);
        kernels.logSumExpGrad(into[2]!, 0, x, mask, row, place([5], [1], dtype), 1);
        return [y, logY, row, ...into];
      };
      for (const inStep of [false, true]) {
        const [y, logY, row, ...grads] = outcome(k, inStep, run).values;
        expectSame(y!, [0, 0, 0]);
        expectSame(logY!, [-Infinity, -Infinity, -Infinity]);
        expectSame(row!, [-Infinity]);
        for (const gradient of grads) expectSame(gradient, [0, 0, 0]);
      }
    }
  });

  it("without a mask, rows with NaN or infinities are what IEEE arithmetic makes of them, in both forms", () => {
    const x = [
      [NaN, 1, 2],
      [Infinity, 1, 2],
      [-Infinity, 1, 2],
      [-Infinity, -Infinity, -Infinity],
      [Infinity, Infinity, 0],
      [NaN, -Infinity, 3],
    ];
    for (const name of names) {
      expectTwin((k, place) => k[name](place(x.flat(), [6, 3], dtype), null, 1), [`${name}_${suffix[dtype]}`], allowed);
    }
  });

  it("a cotangent of 0 is pulled back to 0 through rows with NaN and infinities, in both forms alike", () => {
    const x = [NaN, 1, 2, -Infinity, -Infinity, -Infinity, -Infinity, 0, 1];
    const run: Run = (k, place) => {
      const [a, zero] = [place(x, [3, 3], dtype), filled(k, [3, 3], 0, dtype)];
      const into = [0, 1].map(() => filled(k, [3, 3], 0, dtype));
      k.logSoftmaxGrad(into[0]!, 0, k.logSoftmax(a, null, 1), null, zero, 1);
      k.logSumExpGrad(into[1]!, 0, a, null, k.logSumExp(a, null, 1), filled(k, [3], 0, dtype), 1);
      return into;
    };
    expectTwin(run, []);
    for (const values of outcome(simd, true, run).values) expectSame(values, new Array<number>(9).fill(0));
  });
});

describe.each(floats)(`matrix products, %s, seed ${seed}`, (dtype) => {
  const sizesOf = [
    [1, 1, 1],
    [1, 17, 3],
    [5, 1, 9],
    [4, 8, 16],
    [33, 13, 70],
    [70, 65, 300],
    [3, 4, 0],
  ] as const;
  const layouts = [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ] as const;
  it.each(sizesOf)("%i × %i over %i, each operand either way, overwriting and adding", (m, n, depth) => {
    const random = generator(seed);
    const batch = m < 10 ? 3 : 1;
    const [a, b, c] = [batch * m * depth, batch * depth * n, batch * m * n].map((count) =>
      randoms(count, dtype, random, 1),
    );
    for (const [transposeA, transposeB] of layouts) {
      const run: Run = (k, place): NdArray[] => {
        const x = place(a!, transposeA ? [batch, depth, m] : [batch, m, depth], dtype);
        const y = place(b!, transposeB ? [batch, n, depth] : [batch, depth, n], dtype);
        const into = k.copy(place(c!, [batch, m, n], dtype));
        k.matmulInto(into, 1, x, transposeA, y, transposeB);
        return [k.matmul(x, transposeA, y, transposeB), into];
      };
      // Each of `depth` products below 1 and each of their sums may be rounded.
      expectTwin(run, [`${batch > 1 ? "gemmBatch" : "gemm"}_${suffix[dtype]}`], () => 2 * (depth + 1) * epsilon[dtype]);
    }
  });

  it("multiplies as IEEE: NaN and ∞·0 spoil their row and column only", () => {
    const a = [1, NaN, 2, 3, 0, 1];
    const b = [1, 0, 0, 2, Infinity, 1];
    const run: Run = (k, place) => k.matmul(place(a, [3, 2], dtype), false, place(b, [2, 3], dtype), false);
    expectTwin(run, [`gemm_${suffix[dtype]}`]);
    expectSame(outcome(simd, true, run).values[0]!, [NaN, NaN, NaN, 8, Infinity, 3, 2, Infinity, 1]);
  });

  it("an empty inner dimension gives zeros", () => {
    for (const k of [simd, twin]) {
      for (const inStep of [false, true]) {
        const run: Run = (kernels, place) =>
          kernels.matmul(place([], [2, 0], dtype), false, place([], [0, 3], dtype), false);
        expectSame(outcome(k, inStep, run).values[0]!, [0, 0, 0, 0, 0, 0]);
      }
    }
  });
});
