import { ShapeError, tensor, ValueError } from "@gradus/core";
import { checkFunction, CheckError, settings } from "@gradus/gradcheck";
import { describe, expect, test } from "vitest";

type Check = Parameters<typeof checkFunction>;
type Slopes = Check[1];

function found(...[fn, gradient, x, options]: Check): CheckError {
  try {
    checkFunction(fn, gradient, x, options);
  } catch (error) {
    if (error instanceof CheckError) return error;
    throw error;
  }
  throw new Error("nothing was found");
}

const squares = (x: Float64Array): number => x.reduce((sum, value) => sum + value * value, 0);
const logSumExp = (x: Float64Array): number => Math.log(x.reduce((sum, value) => sum + Math.exp(value), 0));
const softmax = (x: Float64Array): Float64Array => x.map((value) => Math.exp(value - logSumExp(x)));
const wave = Float64Array.from({ length: 300 }, (_, i) => Math.sin(i));

describe("what is right passes:", () => {
  test.each<[string, ...Check]>([
    ["of arrays", (x) => Math.tanh(x[0]!), (x) => [1 - Math.tanh(x[0]!) ** 2], [0.3]],
    ["of typed arrays", logSumExp, softmax, wave],
    ["in float32, within a tolerance", logSumExp, (x) => Float32Array.from(softmax(x)), wave, { tolerance: 1e-6 }],
    ["a polynomial, exactly", squares, (x) => x.map((value) => 2 * value), [1, -2, 3], { degree: 2 }],
    ["a declared zero", () => 7, () => [0, 0], [1, 2], { zero: true }],
    ["nothing at all", () => 7, () => [], [], { zero: true }],
    ["near the edge of its domain", (x) => Math.log(x[0]!), (x) => [1 / x[0]!], [1e-3]],
  ])("%s", (_, fn, gradient, x, options) => {
    for (const seed of [0, 1, -7]) expect(() => checkFunction(fn, gradient, x, { ...options, seed })).not.toThrow();
  });

  test("code that writes into its argument, and returns one buffer each time", () => {
    const scratch = new Float64Array(3);
    const fn = (x: Float64Array): number => {
      const sum = squares(x);
      x.fill(NaN);
      return sum;
    };
    const gradient: Slopes = (x) => {
      scratch.set(x.map((value) => 2 * value));
      x.fill(NaN);
      return scratch;
    };
    const x = Float64Array.of(3, 1, 2);
    expect(() => checkFunction(fn, gradient, x, { degree: 2 })).not.toThrow();
    expect([...x]).toEqual([3, 1, 2]);
  });
});

describe("what is wrong is found:", () => {
  test("with its place and the numbers that the code returned", () => {
    const error = found(squares, ([a, b, c]) => [2 * a!, b!, 2 * c!], [1, 2, 3], { degree: 2, seed: 42 });
    expect(error).toMatchObject({ finding: "gradient", seed: 42, place: { order: 1, index: [1] } });
    expect(error.numbers).toEqual({ gradient: 2, differences: 4, ratio: 0.5 });
    expect(error.message).toBe(
      'checkFunction: wrong gradient; got inputs[0] "x" at [1], order 1, gradient 2, differences 4, ratio 0.5, seed 42; ' +
        "want agreement to 1e-12; the same again: { seed: 42 }",
    );
  });

  test("when it is off by 0.05 %, in one of many", () => {
    const off: Slopes = (x) => softmax(x).map((slope, i) => (i === 77 ? slope * 1.0005 : slope));
    expect(found(logSumExp, off, wave)).toMatchObject({ finding: "gradient", place: { index: [77] } });
  });

  test.each([NaN, Infinity])("when it is %d", (slope) => {
    const error = found(squares, (x) => x.map((value, i) => (i === 1 ? slope : 2 * value)), [1, 2, 3]);
    expect(error).toMatchObject({ finding: "gradient", place: { index: [1] }, numbers: { gradient: slope } });
  });

  test("a kink, a jump and an edge", () => {
    const kink = found(
      ([a, b]) => Math.abs(a!) + b!,
      ([a]) => [Math.sign(a!), 1],
      [0, 1],
    );
    expect(kink).toMatchObject({ finding: "kink", place: { index: [0] }, numbers: { left: -1, right: 1 } });
    expect(
      found(
        ([a]) => Math.floor(a!),
        () => [1],
        [2],
      ).finding,
    ).toBe("kink");
    expect(
      found(
        ([a]) => Math.sqrt(a!),
        () => [1],
        [0],
      ).finding,
    ).toBe("kink");
  });

  test("two answers of the function, or of the gradient", () => {
    let calls = 0;
    const counted = found(
      (x) => x[0]! + calls++,
      () => [1],
      [2],
    );
    expect(counted).toMatchObject({ op: "checkFunction", finding: "impure", place: { of: "outputs[0]" } });
    calls = 0;
    const gradient = found(
      (x) => x[0]!,
      () => [1 + calls++],
      [2],
      { seed: 3 },
    );
    expect(gradient).toMatchObject({ finding: "impure", seed: 3, numbers: { first: 1, second: 2 } });
    expect(gradient.message).toContain("two answers to one question; got gradient at [0], order 1, first 1, second 2");
  });

  test("a gradient too small to show anything, or not the zero it is declared to be", () => {
    const small = settings.tolerance * settings.vacuous * 0.9;
    const tiny: Slopes = () => [small];
    expect(found((x) => small * x[0]!, tiny, [1]).finding).toBe("vacuous");
    expect(found(squares, () => [2], [1], { zero: true }).message).toContain("declared zero, but it is not");
  });
});

describe("is refused:", () => {
  const slopes: Slopes = (x) => x.map((value) => 2 * value);
  const as = <T>(value: unknown): T => value as T;
  test.each<[Check, string]>([
    [[as(7), slopes, [1]], "not a function; got fn 7; want a function"],
    [[squares, as(undefined), [1]], "not a function; got gradient undefined; want a function"],
    [[squares, slopes, as(7)], "no array of numbers; got x 7; want an array of numbers"],
    [[squares, slopes, as(["1"])], "no number; got x at [0], value 1; want numbers"],
    [[squares, slopes, [1, NaN]], "x is not finite; got x at [1], value NaN; want finite numbers"],
    [[() => as(null), slopes, [1]], "fn returns no number; got fn(x) null; want a number"],
    [[() => NaN, slopes, [1]], "no value at x; got fn(x) NaN; want a finite number"],
    [[() => -Infinity, slopes, [1]], "no value at x; got fn(x) -Infinity; want a finite number"],
    [[squares, () => as(undefined), [1]], "no array of numbers; got gradient undefined; want an array of numbers"],
    [[squares, () => as(tensor([2])), [1]], "no array of numbers; got gradient float32[1]; want an array of numbers"],
    [[squares, () => [2, as(undefined)], [1, 2]], "no number; got gradient at [1], value undefined; want numbers"],
  ])("%# %o: %s", (given, message) => {
    expect(() => checkFunction(...given)).toThrow(ValueError);
    expect(() => checkFunction(...given)).toThrow(`checkFunction: ${message}`);
  });

  test("a gradient of another length", () => {
    for (const gradient of [() => [2], () => [2, 4, 6]]) {
      expect(() => checkFunction(squares, gradient, [1, 2])).toThrow(ShapeError);
    }
    expect(() => checkFunction(squares, () => [2, 4, 6], [1, 2])).toThrow(
      "checkFunction: the gradient is not as long as x; got gradient [3], x [2]; want length 2",
    );
  });

  test("and what the code throws is thrown on", () => {
    const failing = (): never => {
      throw new RangeError("mine");
    };
    expect(() => checkFunction(failing, slopes, [1])).toThrow(RangeError);
    expect(() => checkFunction(squares, failing, [1])).toThrow(RangeError);
  });
});
