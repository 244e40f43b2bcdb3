import { customGradient, DTypeError, tensor, type Nested, type Tensor } from "@gradus/core";
import { checkGrads, CheckError, settings, stream, type CheckOptions } from "@gradus/gradcheck";
import {
  add,
  cast,
  div,
  dropout,
  exp,
  greater,
  less,
  log,
  logSoftmax,
  max,
  mul,
  neg,
  sign,
  sin,
  softmax,
  sqrt,
  sub,
  sum,
  tanh,
  where,
} from "@gradus/ops";
import { describe, expect, test } from "vitest";

type Fn = (...xs: [Tensor, Tensor]) => Tensor;

const of = (values: Nested, name = ""): Tensor => tensor(values, { dtype: "float64", name });
const abs = (x: Tensor): Tensor => where(less(x, 0), neg(x), x);
const relu = (x: Tensor): Tensor => where(greater(x, 0), x, 0);
const norm = (x: Tensor): Tensor => sqrt(sum(mul(x, x)));

/** f with a rule of one's own: the gradient in x, given dy. */
const withRule = (f: (x: Tensor) => Tensor, rule: (dy: Tensor, x: Tensor) => Tensor): ((x: Tensor) => Tensor) =>
  customGradient((x: Tensor) => ({ value: f(x), gradient: (dy: Tensor) => [rule(dy, x)] }));

function found(fn: Fn, inputs: readonly Tensor[], options?: CheckOptions): CheckError {
  try {
    checkGrads(fn, inputs as [Tensor, Tensor], options);
  } catch (error) {
    if (error instanceof CheckError) return error;
    throw error;
  }
  throw new Error("nothing was found");
}

describe("what is right passes:", () => {
  const matrix = of([
    [0.3, -1, 2],
    [1, 0.5, -0.7],
  ]);
  test.each<[string, Fn, Tensor[]]>([
    ["a function of one input", (x) => tanh(x), [matrix]],
    ["of several, one of them twice", (a, b) => mul(mul(a, b), a), [matrix, of([2, -1, 0.5])]],
    ["of the input itself", (x) => x, [matrix]],
    ["one whose values differ in size by far", (x) => mul(exp(mul(x, 5)), 1e-3), [matrix]],
    ["near the edge of its domain", (x) => log(x), [of([1e-3, 2])]],
    ["with an input that it does not use", (a) => tanh(a), [matrix, of([1])]],
    ["with −∞ among its values", (x) => logSoftmax(x, { mask: [1, 0, 1] }), [matrix]],
    ["a gradient of many elements", (x) => softmax(x), [of(Array.from({ length: 300 }, (_, i) => Math.sin(i)))]],
    ["a kink beside the point, but not at it", relu, [of([1e-4, 1])]],
    ["one that turns within a step", (x) => sin(mul(x, 1e4)), [of([0.3, 2])]],
  ])("%s", (_, fn, inputs) => {
    for (const seed of [0, 1, -7, 2 ** 40])
      expect(() => checkGrads(fn, inputs as [Tensor, Tensor], { seed })).not.toThrow();
  });

  test("a declared zero", () => {
    const nothing = (x: Tensor): Tensor => sub(log(x), log(mul(2, x)));
    expect(() => checkGrads(nothing, [of([1, 3])], { zero: true })).not.toThrow();
    expect(() => checkGrads(() => of([1, 2]), [of([1, 3])], { zero: true })).not.toThrow();
    expect(() => checkGrads((x) => x, [tensor([], { shape: [0, 2], dtype: "float64" })], { zero: true })).not.toThrow();
  });

  test("a result in float32 where differences are exact", () => {
    expect(() => checkGrads((x) => cast(x, "float32"), [of([1, -3])], { degree: 1 })).not.toThrow();
  });
});

describe("a wrong gradient is found:", () => {
  test("with its place, both numbers and their ratio", () => {
    const wrong = withRule(
      (x) => mul(x, x),
      (dy, x) => mul(mul(dy, x), of([2, 4, 2])),
    );
    const error = found(wrong, [of([1, 2, 3], "x")], { seed: 42, degree: 2 });
    expect(error).toMatchObject({
      finding: "gradient",
      seed: 42,
      place: { order: 1, of: 'inputs[0] "x"', index: [1] },
    });
    const { gradient, differences, ratio } = error.numbers;
    expect(ratio).toBeCloseTo(2, 10);
    expect(error.message).toBe(
      `checkGrads: wrong gradient; got inputs[0] "x" at [1], order 1, gradient ${gradient}, ` +
        `differences ${differences}, ratio ${ratio}, seed 42; want agreement to 1e-12; the same again: { seed: 42 }`,
    );
  });

  test("the same seed finds the same numbers, another one others", () => {
    const wrong = withRule(tanh, (dy) => dy);
    const [a, b, c] = [1, 1, 2].map((seed) => found(wrong, [of([0.5, 2])], { seed }).message);
    expect(b).toBe(a);
    expect(c).not.toBe(a);
  });

  test("when it is off by 0.05 %, at first and at second order", () => {
    const first = withRule(tanh, (dy, x) => mul(mul(dy, 1.0005), sub(1, mul(tanh(x), tanh(x)))));
    expect(found(first, [of([0.5, 2])])).toMatchObject({ finding: "gradient", place: { order: 1 } });
    const slope = withRule(
      (x) => sub(1, mul(tanh(x), tanh(x))),
      (dy, x) => mul(dy, mul(mul(-2.001, tanh(x)), sub(1, mul(tanh(x), tanh(x))))),
    );
    const second = withRule(tanh, (dy, x) => mul(dy, slope(x)));
    expect(found(second, [of([0.5, 2])])).toMatchObject({ finding: "gradient", place: { order: 2 } });
    expect(() => checkGrads(second, [of([0.5, 2])], { order: 1 })).not.toThrow();
  });

  test("in one element of many", () => {
    const x = of(Array.from({ length: 1000 }, (_, i) => Math.cos(i)));
    const odd = of(Array.from({ length: 1000 }, (_, i) => (i === 777 ? 1.01 : 1)));
    const wrong = withRule(exp, (dy, x) => mul(mul(dy, odd), exp(x)));
    expect(found(wrong, [x])).toMatchObject({ finding: "gradient", place: { of: "inputs[0]", index: [777] } });
  });

  test("in one element of very many", () => {
    const x = of(Array.from({ length: 20_000 }, (_, i) => Math.cos(i)));
    const odd = of(Array.from({ length: 20_000 }, (_, i) => (i === 12_345 ? 1.5 : 1)));
    const wrong = withRule(exp, (dy, x) => mul(mul(dy, odd), exp(x)));
    expect(found(wrong, [x], { order: 1 })).toMatchObject({ finding: "gradient", place: { index: [12_345] } });
  });

  test("in the second of two inputs", () => {
    const wrong = customGradient((a: Tensor, b: Tensor) => ({
      value: mul(a, b),
      gradient: (dy) => [mul(dy, b), mul(dy, b)],
    }));
    expect(found(wrong, [of([[1, 2]]), of([[3, 5]])])).toMatchObject({ place: { of: "inputs[1]", index: [0, 1] } });
  });

  test("when it is NaN", () => {
    const wrong = withRule(exp, (dy) => mul(dy, NaN));
    expect(found(wrong, [of([1, 2])])).toMatchObject({ finding: "gradient", numbers: { gradient: NaN } });
  });

  test("when the function lost its graph", () => {
    const lost = (x: Tensor): Tensor => mul(tensor(x.data), x);
    expect(found(lost, [of([1, 2])])).toMatchObject({ finding: "gradient", place: { order: 1 } });
  });

  test("when a declared zero is none", () => {
    expect(found(exp, [of([1, 2])], { zero: true }).message).toContain("declared zero, but it is not");
    const constantly = withRule(exp, (dy) => mul(dy, 0));
    expect(found(constantly, [of([1, 2])], { zero: true })).toMatchObject({ finding: "gradient" });
  });
});

// Inputs and directions made by one generator from one seed would be equal, and x/|x| does not change along x.
test("a function that does not change along its data fails for every seed", () => {
  const unit = withRule(
    (x) => div(x, norm(x)),
    (dy) => mul(dy, 0),
  );
  for (let seed = 0; seed < 40; seed++) {
    const random = stream(seed);
    const x = of([random.next() + 1, random.next() + 1]);
    for (const zero of [false, true]) expect(found(unit, [x], { seed, zero }).finding).toBe("gradient");
  }
});

describe("a kink is neither right nor wrong:", () => {
  test.each<[string, (x: Tensor) => Tensor, Nested, number, object]>([
    ["relu at 0", relu, [0, 1], 0, { left: 0, right: 1 }],
    ["abs at 0", abs, [2, 0], 1, { left: -1, right: 1 }],
    ["abs at 0 alone, where its gradient is 0", (x) => mul(x, sign(x)), [0], 0, { left: -1, right: 1 }],
    ["a near tie", (x) => max(x), [1, 1 + 1e-9], 0, { left: 0 }],
    ["a tie", (x) => max(x), [1, 1], 0, { left: 0, right: 1 }],
    ["the edge of a domain", sqrt, [4, 0], 1, { left: NaN }],
    ["a jump", (x) => where(greater(x, 0), add(x, 1), x), [0, 3], 0, { left: 1 }],
  ])("%s", (_, fn, at, index, numbers) => {
    const error = found(fn, [of(at)]);
    expect(error).toMatchObject({ finding: "kink", place: { order: 1, of: "inputs[0]", index: [index] }, numbers });
  });

  test("but a rule outside both slopes is wrong", () => {
    const slope = (at0: number) => (dy: Tensor, x: Tensor) =>
      mul(dy, where(greater(x, 0), of(1), where(less(x, 0), of(0), at0)));
    expect(found(withRule(relu, slope(1.5)), [of([0, 1])])).toMatchObject({
      finding: "gradient",
      place: { index: [0] },
    });
    expect(found(withRule(relu, slope(-0.1)), [of([0, 1])]).finding).toBe("gradient");
    expect(found(withRule(relu, slope(0.3)), [of([0, 1])]).finding).toBe("kink");
  });

  test("and a wrong rule elsewhere is told first", () => {
    const wrong = withRule(relu, (dy, x) => mul(dy, where(greater(x, 0), of(1.01), 0)));
    expect(found(wrong, [of([0, 1])])).toMatchObject({ finding: "gradient", place: { index: [1] } });
  });

  test("it is found at second order too", () => {
    const square = (x: Tensor): Tensor => mul(relu(x), relu(x));
    expect(found(square, [of([0, 1])])).toMatchObject({ finding: "kink", place: { order: 2 } });
  });
});

test("`backward` and `vjp` that differ are told apart", () => {
  const slow = withRule(exp, (dy, x) => mul(dy, exp(x)));
  const fast = (x: Tensor): Tensor => {
    const y = slow(x);
    if (y.node) Object.assign(y.node.rule!, { form: { ...y.node.rule!.form, pullInto: () => () => {} } }); // adds nothing
    return y;
  };
  const error = found(fast, [of([[1, 2]])]);
  expect(error).toMatchObject({
    finding: "paths",
    place: { of: "inputs[0]", index: [0, 0] },
    numbers: { backward: 0 },
  });
});

test("two answers to one question are told, with both", () => {
  const random = stream(1);
  const error = found((x) => dropout(x, { rate: 0.5, random }), [of([1, 2, 3, 4, 5, 6, 7, 8])]);
  expect(error).toMatchObject({ finding: "impure", place: { of: "outputs[0]" } });
  expect(Object.keys(error.numbers)).toEqual(["first", "second"]);
});

test("so are they where the function begins to change later", () => {
  let calls = 0;
  expect(found((x) => mul(x, ++calls > 4 ? 2 : 1), [of([1, 2])]).finding).toBe("impure");
});

test("a point outside the domain is told", () => {
  expect(found(log, [of([-1, 1])])).toMatchObject({ finding: "domain", place: { of: "outputs[0]", index: [0] } });
});

test("a function that computes in float32 is told", () => {
  const single = (x: Tensor): Tensor => cast(tanh(cast(x, "float32")), "float64");
  expect(found(single, [of([0.3, 1])])).toMatchObject({ finding: "coarse" });
});

test("so is one that is not of the degree declared", () => {
  expect(found(tanh, [of([0.3, 1])], { degree: 2 })).toMatchObject({ finding: "degree", numbers: { degree: 2 } });
});

test("options and inputs are checked", () => {
  const refused = (options: object, inputs: unknown = [of([1])]) => {
    return () => checkGrads(tanh, inputs as [Tensor], options);
  };
  expect(refused({ seed: NaN })).toThrow("checkGrads: no such seed; got seed NaN; want a whole number");
  expect(refused({ order: 3 })).toThrow("no such order");
  expect(refused({ degree: 5 })).toThrow("no such degree");
  expect(refused({ tolerance: 0 })).toThrow("no such tolerance");
  expect(refused({}, of([1]))).toThrow("checkGrads: not a list; got inputs float64[1]; want an array of tensors");
});

test("a gradient too small to show anything is refused", () => {
  const small = (factor: number) => (x: Tensor) => mul(tanh(x), factor);
  expect(found(small(1e-6), [of([0.1, 0.2])]).finding).toBe("vacuous");
  expect(() => checkGrads(small(1e-4), [of([0.1, 0.2])])).not.toThrow();
  // 1 % of what is let through is more than a tolerance.
  expect(settings.vacuous * 0.01).toBeGreaterThanOrEqual(1);
});

test("differences need float64", () => {
  expect(() => checkGrads(tanh, [tensor([1])])).toThrow(DTypeError);
  expect(() => checkGrads(tanh, [tensor([1])])).toThrow(
    "checkGrads: differences need float64; got inputs[0] float32[1]; want a float64 tensor; constants stand in fn",
  );
  expect(() => checkGrads((x) => cast(x, "float32"), [of([1])])).toThrow("got output float32[1]");
  expect(() => checkGrads((x) => greater(x, 0), [of([1])], { degree: 1 })).toThrow("got output bool[1]");
});
