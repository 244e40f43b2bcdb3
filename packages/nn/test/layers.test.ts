import {
  DTypeError,
  grad,
  IndexError,
  observe,
  ShapeError,
  tensor,
  ValueError,
  type Tensor,
  type Tree,
} from "@gradus/core";
import { checkGrads } from "@gradus/gradcheck";
import {
  createEmbedding,
  createGru,
  createLinear,
  createLuongAttention,
  createRandom,
  embedding,
  glorotUniform,
  linear,
  uniform,
  type LinearParams,
} from "@gradus/nn";
import { add, mul } from "@gradus/ops";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkShapes } from "../src/arguments.ts";
import { composedLinear } from "../src/linear.ts";
import { expectClose, expectError, expectSame, expectSameInStep, random } from "./helpers.ts";
import { runs, sameGradient, sameValue, seed } from "./settings.ts";

const bounds = (x: Tensor): [number, number] => [Math.min(...x.data), Math.max(...x.data)];

/** All within ±limit, and spread up to nearly there. */
function expectSpread(x: Tensor, limit: number): void {
  const [low, high] = bounds(x);
  expect(low).toBeGreaterThanOrEqual(-limit * (1 + 1e-7));
  expect(high).toBeLessThanOrEqual(limit * (1 + 1e-7));
  expect(low).toBeLessThan(-0.9 * limit);
  expect(high).toBeGreaterThan(0.9 * limit);
}

describe("initialisers", () => {
  test("uniform fills its range, in the dtype asked for", () => {
    const x = uniform([50, 20], { random: createRandom(1), low: 2, high: 4 });
    expect([x.dtype, x.shape]).toEqual(["float32", [50, 20]]);
    const [low, high] = bounds(x);
    expect(low).toBeGreaterThanOrEqual(2);
    expect(low).toBeLessThan(2.02);
    expect(high).toBeLessThan(4);
    expect(high).toBeGreaterThan(3.98);
    const y = uniform([3], { random: createRandom(1), low: 0, high: 1, dtype: "float64" });
    const stream = createRandom(1);
    expect([...y.data]).toEqual([stream.next(), stream.next(), stream.next()]);
  });

  test("glorotUniform counts both sides, and the places of a kernel", () => {
    expectSpread(glorotUniform([30, 24], { random: createRandom(1) }), 1 / 3);
    expectSpread(glorotUniform([3, 3, 2, 4], { random: createRandom(2) }), Math.sqrt(6 / 48));
  });

  test("layers start as PyTorch's do", () => {
    const layer = createLinear({ inputSize: 16, outputSize: 40, random: createRandom(1) });
    expectSpread(layer.weight, 1 / 4);
    expectSpread(layer.bias, 1 / 4);
    const gru = createGru({ inputSize: 5, hiddenSize: 25, random: createRandom(2) });
    for (const x of Object.values(gru)) expectSpread(x, 1 / 5);
    expect(Object.entries(gru).map(([name, x]) => [name, x.shape])).toEqual([
      ["weightIh", [75, 5]],
      ["weightHh", [75, 25]],
      ["biasIh", [75]],
      ["biasHh", [75]],
    ]);
    const table = createEmbedding({ size: 100, width: 30, random: createRandom(3), dtype: "float64" });
    const variance = [...table.weight.data].reduce((sum, value) => sum + value * value, 0) / 3000;
    expect(table.weight.shape).toEqual([100, 30]);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
    const attention = createLuongAttention({ querySize: 20, memorySize: 34, random: createRandom(4) });
    expect(attention.weight.shape).toEqual([20, 34]);
    expectSpread(attention.weight, 1 / 3);
  });

  test("the same seed gives the same parameters", () => {
    const make = (): Tensor => createLinear({ inputSize: 3, outputSize: 2, random: createRandom(9) }).weight;
    expectSame(make(), make());
  });

  test("refuse what makes no tensor", () => {
    const options = { random: createRandom(1), low: 0, high: 1 };
    expectError(
      () => uniform([2, -1], options),
      ShapeError,
      "uniform: not a shape; got shape [2,-1]; want whole numbers from 0",
    );
    expectError(
      () => uniform([2], { ...options, low: 2 }),
      ValueError,
      "uniform: no such range; got low 2, high 1; want finite numbers, low ≤ high",
    );
    expectError(
      () => glorotUniform([2], options),
      ShapeError,
      "glorotUniform: not a weight; got shape [2]; want [out, in], or more axes",
    );
    const sizes: [string, () => unknown][] = [
      ["createLinear: no such size; got inputSize 0", () => createLinear({ inputSize: 0, outputSize: 2, ...options })],
      ["createEmbedding: no such size; got width 1.5", () => createEmbedding({ size: 2, width: 1.5, ...options })],
      ["createGru: no such size; got hiddenSize -1", () => createGru({ inputSize: 1, hiddenSize: -1, ...options })],
      [
        "createLuongAttention: no such size; got memorySize NaN",
        () => createLuongAttention({ querySize: 1, memorySize: NaN, ...options }),
      ],
    ];
    for (const [text, call] of sizes) expectError(call, ShapeError, `${text}; want a whole number from 1`);
  });
});

test("checkShapes tells names of axes apart, also those that end alike", () => {
  const [two, three, six] = [random(1, [2]), random(1, [3]), random(1, [6])];
  expect(checkShapes("f", { x: [two, ["in"]], y: [three, ["bin"]], z: [six, ["2bin"]] })).toEqual({ in: 2, bin: 3 });
  expect(() => checkShapes("f", { x: [two, ["in"]], z: [three, ["2in"]] })).toThrow("f: z does not fit");
});

describe("linear", () => {
  const params = {
    weight: tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]),
    bias: tensor([0, 0, 10]),
  };

  test("takes any leading axes", () => {
    expect(linear(params, tensor([1, 1])).toArray()).toEqual([3, 7, 21]);
    expect(
      linear(
        params,
        tensor([
          [1, 0],
          [0, 1],
        ]),
      ).toArray(),
    ).toEqual([
      [1, 3, 15],
      [2, 4, 16],
    ]);
    expect(linear(params, tensor([[[[1, 0]]]])).toArray()).toEqual([[[[1, 3, 15]]]]);
    expect(linear(params, tensor([], { shape: [0, 2] })).shape).toEqual([0, 3]);
  });

  test("with a bias is its definition, in values and all gradients", () => {
    const sizes = fc.tuple(
      fc.integer({ min: 0, max: 6 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
    );
    fc.assert(
      fc.property(sizes, ([n, width, out]) => {
        const leaves = [random(1, [n, width]), random(2, [out, width]), random(3, [out])].map((x) =>
          tensor(x.data, { shape: x.shape, requiresGrad: true }),
        );
        const [x, weight, bias] = leaves as [Tensor, Tensor, Tensor];
        const [got, wanted] = [linear({ weight, bias }, x), composedLinear({ x, weight, bias })];
        expectClose(got, wanted, sameValue);
        const cotangent = random(4, got.shape);
        const slopes = grad(wanted, leaves, { cotangent });
        grad(got, leaves, { cotangent }).forEach((dx, i) => expectClose(dx, slopes[i]!, sameGradient, `gradient ${i}`));
      }),
      { seed, numRuns: runs },
    );
  });

  test("with a bias adds to gradients that come from elsewhere, for all three", () => {
    const twice = (weight: Tensor, bias: Tensor, x: Tensor): Tensor => {
      const y = linear({ weight, bias }, x);
      return add(y, linear({ weight, bias }, mul(y, x)));
    };
    checkGrads(twice, [random(1, [3, 3]), random(2, [3]), random(3, [3, 3])]);
  });

  test("with a bias is one op, with the same bits in step()", () => {
    const leaves = [random(1, [5, 3], "float32"), random(2, [7, 3], "float32"), random(3, [7], "float32")].map((x) =>
      tensor(x.data, { shape: x.shape, requiresGrad: true }),
    );
    const [x, weight, bias] = leaves as [Tensor, Tensor, Tensor];
    const ops: string[] = [];
    observe(() => linear({ weight, bias }, x), { value: (op) => ops.push(op) });
    expect(ops).toContain("linear");
    expect(ops).not.toContain("matmul");
    expectSameInStep(() => {
      const y = linear({ weight, bias }, x);
      return [y, ...grad(y, leaves, { cotangent: random(4, y.shape, "float32") })];
    });
  });

  test("goes without a bias", () => {
    const layer = createLinear({ inputSize: 2, outputSize: 3, bias: false, random: createRandom(1) });
    expect(Object.keys(layer)).toEqual(["weight"]);
    expect(linear({ weight: params.weight }, tensor([1, 1])).toArray()).toEqual([3, 7, 11]);
    const asTree: Tree = layer satisfies LinearParams; // its type fits valueAndGrad
    expect(asTree).toBe(layer);
  });

  test("has the right gradients", () => {
    checkGrads(
      (weight, bias, x) => linear({ weight, bias }, x),
      [random(1, [3, 2]), random(2, [3]), random(3, [2, 2, 2])],
    );
    checkGrads((weight, x) => linear({ weight }, x), [random(4, [3, 2]), random(5, [2])]);
  });

  test("names what does not fit", () => {
    const got = "got x float32[2,3], weight float32[3,2], bias float32[3]";
    const want = "want x [...,in], weight [out,in], bias [out]";
    expectError(
      () =>
        linear(
          params,
          tensor([
            [1, 2, 3],
            [1, 2, 3],
          ]),
        ),
      ShapeError,
      `linear: weight does not fit; ${got}; ${want}`,
    );
    expect(() => linear(params, tensor(1))).toThrow("linear: x does not fit; got x float32[]");
    expect(() => linear({ ...params, bias: tensor([1]) }, tensor([1, 1]))).toThrow("linear: bias does not fit");
    expect(() => linear(params, tensor([1, 1], { dtype: "float64" }))).toThrow(DTypeError);
    expect(() => linear(params, tensor([1, 1], { dtype: "int32" }))).toThrow("linear: x has the wrong dtype");
    expect(() => linear(params, [1, 1] as never)).toThrow("linear: x is not a tensor");
  });
});

describe("embedding", () => {
  const weight = tensor(
    [
      [1, 2],
      [3, 4],
      [5, 6],
    ],
    { requiresGrad: true },
  );

  test("takes ids of any shape, nested or as a tensor", () => {
    expect(embedding({ weight }, [[2, 0]]).toArray()).toEqual([
      [
        [5, 6],
        [1, 2],
      ],
    ]);
    expect(embedding({ weight }, tensor(1, { dtype: "int32" })).toArray()).toEqual([3, 4]);
  });

  test("adds up the gradients of an id that comes twice", () => {
    const cotangent = tensor([
      [1, 2],
      [10, 20],
      [100, 200],
    ]);
    expect(grad(embedding({ weight }, [2, 0, 2]), [weight], { cotangent })[0].toArray()).toEqual([
      [10, 20],
      [0, 0],
      [101, 202],
    ]);
  });

  test("gives the same bits in step()", () => {
    const table = random(1, [7, 5]);
    expectSameInStep(() => [
      embedding({ weight: table }, [
        [6, 0, 3],
        [3, 3, 1],
      ]),
    ]);
  });

  test("refuses ids that it has no vector for", () => {
    expect(() => embedding({ weight }, [[0, 3]])).toThrow(IndexError);
    expect(() => embedding({ weight }, [-1])).toThrow(IndexError);
    expect(() => embedding({ weight: tensor([1]) }, [0])).toThrow("embedding: weight does not fit");
  });
});
