import { describe, expect, it } from "vitest";
import { expectClose, expectSame, generator, outcome, randoms, type Run, seed, simd, twin } from "./support.ts";

const floats = ["float32", "float64"] as const;
const suffix = { float32: "f32", float64: "f64" } as const;
/** Around a vector, around a block, and several blocks: 7 operands share the cache. */
const sizes = [0, 1, 5, 64, 65, 2400, 10_007];
const rates = { rateM: 0.1, rateV: 0.001, size: 0.02, floor: 1e-8 };

describe.each(floats)(`adam, %s, seed ${seed}`, (dtype) => {
  const data = (n: number): number[][] => {
    const random = generator(seed + n);
    return [
      ...[1, 1, 1].map((scale) => randoms(n, dtype, random, scale)),
      randoms(n, dtype, random, 1).map(Math.abs), // squares are not negative
    ];
  };
  const update =
    ([p, g, m, v]: number[][]): Run =>
    (k, place) => {
      const operands = [p, g, m, v].map((values) => place(values!, [p!.length], dtype));
      return k.adam(operands as never, rates);
    };

  it.each(sizes)("agrees with its twin to the bit for %i elements, in and out of a step", (n) => {
    const run = update(data(n));
    const want = outcome(twin, false, run);
    expect(want.forms).toEqual(["adam_twin"]);
    for (const inStep of [false, true]) {
      const got = outcome(simd, inStep, run);
      expect(got.forms).toContain(`adam_${suffix[dtype]}`);
      got.values.forEach((values, i) => expectSame(values, want.values[i]!));
      outcome(twin, inStep, run).values.forEach((values, i) => expectSame(values, want.values[i]!));
    }
  });

  it("is the formula", () => {
    const [p, g, m, v] = data(5) as [number[], number[], number[], number[]];
    const { values } = outcome(simd, false, update([p, g, m, v]));
    const newM = m.map((x, i) => x + rates.rateM * (g[i]! - x));
    const newV = v.map((x, i) => x + rates.rateV * (g[i]! ** 2 - x));
    const newP = p.map((x, i) => x - (rates.size * newM[i]!) / (Math.sqrt(newV[i]!) + rates.floor));
    [newP, newM, newV].forEach((want, i) => expectClose(values[i]!, want, () => (dtype === "float32" ? 1e-6 : 1e-15)));
  });

  it("gives new ordinary arrays, which outlive a step, and leaves what it was given alone", () => {
    for (const k of [simd, twin]) {
      const old = data(100);
      const operands = old.map((values) => {
        const array = k.newArray(dtype, 100);
        array.set(values);
        return k.wrap(array, [100], dtype);
      });
      const scope = k.openScope("step", true);
      const results = k.adam(operands as never, rates);
      k.closeScope(scope, "ended");
      const again = k.adam(operands as never, rates);
      results.forEach(({ storage }, i) => expectSame(k.copyOut(storage), k.copyOut(again[i]!.storage)));
      operands.forEach(({ storage }, i) => {
        const before = k.newArray(dtype, 100);
        before.set(old[i]!);
        expectSame(k.copyOut(storage), before);
      });
      expect(k.memoryStats()).toMatchObject({ live: 0, blocks: 0 });
    }
  });
});

describe.each(floats)("adam over its operands, %s", (dtype) => {
  it("writes to their arrays and uses them up; blocks of a step stay, and the results outlive it", () => {
    for (const k of [simd, twin]) {
      const make = (value: number) => k.wrap(k.newArray(dtype, 10).fill(value), [10], dtype);
      const [g, m, v] = [make(2), make(3), make(4)];
      const { array } = m.storage;
      const wanted = k.adam([make(1), make(2), make(3), make(4)], rates).map(({ storage }) => k.copyOut(storage));
      const scope = k.openScope("step", true);
      const p = k.empty([10], dtype);
      k.fillInto(p, 1);
      const results = k.adam([p, g, m, v], rates, true);
      expect(k.copyOut(p.storage)[0]).toBe(1);
      k.closeScope(scope, "ended");
      results.forEach(({ storage }, i) => expectSame(k.copyOut(storage), wanted[i]!));
      expect(results[1].storage.array).toBe(array);
      expect(() => k.copyOut(m.storage)).toThrow("an array that was given up to an optimizer");
      expect(k.copyOut(g.storage)[0]).toBe(2);
    }
  });
});

describe.each(floats)(`sgd, %s, seed ${seed}`, (dtype) => {
  const kinds = [
    ["plain", { momentum: 0, nesterov: false, size: 0.02 }],
    ["with momentum", { momentum: 0.9, nesterov: false, size: 0.02 }],
    ["with Nesterov's", { momentum: 0.9, nesterov: true, size: 0.02 }],
  ] as const;

  it.each(kinds)("%s agrees with its twin to the bit, in and out of a step, and is the formula", (_, rates) => {
    for (const n of sizes) {
      const random = generator(seed + n);
      const [p, g, m] = [1, 1, 1].map((scale) => randoms(n, dtype, random, scale)) as [number[], number[], number[]];
      const run: Run = (k, place) => {
        const [x, slope, kept] = [p, g, m].map((values) => place(values, [n], dtype)) as never[];
        return k.sgd([x!, slope!, rates.momentum > 0 ? kept! : null], rates).filter((array) => array !== null);
      };
      const want = outcome(twin, false, run);
      expect(want.forms).toEqual(["sgd_twin"]);
      for (const inStep of [false, true]) {
        const got = outcome(simd, inStep, run);
        expect(got.forms).toContain(`sgd_${suffix[dtype]}`);
        got.values.forEach((values, i) => expectSame(values, want.values[i]!));
        outcome(twin, inStep, run).values.forEach((values, i) => expectSame(values, want.values[i]!));
      }
      const newM = m.map((x, i) => rates.momentum * x + g[i]!);
      const change = rates.momentum === 0 ? g : rates.nesterov ? newM.map((x, i) => g[i]! + rates.momentum * x) : newM;
      const wanted = [p.map((x, i) => x - rates.size * change[i]!), ...(rates.momentum > 0 ? [newM] : [])];
      expect(want.values.length).toBe(wanted.length);
      wanted.forEach((values, i) => expectClose(want.values[i]!, values, () => (dtype === "float32" ? 1e-6 : 1e-15)));
    }
  });
});

describe.each(floats)(`sumOfSquares, %s, seed ${seed}`, (dtype) => {
  it.each([...sizes, 40_001])("agrees with its twin to the bit for %i elements, and with the plain sum", (n) => {
    const values = randoms(n, dtype, generator(seed + n));
    let forms: readonly string[] = [];
    const sumIn = (k: typeof simd, inStep: boolean): number => {
      let sum = NaN;
      const run: Run = (kernels, place) => {
        sum = kernels.sumOfSquares(place(values, [n], dtype));
        return [];
      };
      ({ forms } = outcome(k, inStep, run));
      return sum;
    };
    const want = sumIn(twin, false);
    for (const inStep of [false, true]) {
      expect(sumIn(twin, inStep)).toBe(want);
      expect(sumIn(simd, inStep)).toBe(want);
      expect(forms).toContain(`addSquares_${suffix[dtype]}`);
    }
    const rounded = dtype === "float32" ? values.map(Math.fround) : values;
    const plain = rounded.reduce((sum, x) => sum + x * x, 0);
    expect(Math.abs(want - plain)).toBeLessThanOrEqual(1e-12 * plain);
  });

  it("of what has a NaN or an infinity is not finite", () => {
    for (const k of [simd, twin]) {
      for (const [value, want] of [
        [NaN, NaN],
        [-Infinity, Infinity],
      ] as const) {
        const sums: number[] = [];
        outcome(k, true, (kernels, place) => {
          sums.push(kernels.sumOfSquares(place([1, value, 2], [3], dtype)));
          return [];
        });
        expect(sums).toEqual([want]);
      }
    }
  });
});
