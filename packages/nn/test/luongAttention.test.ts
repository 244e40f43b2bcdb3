import { DTypeError, grad, IndexError, observe, ShapeError, step, tensor, ValueError, type Tensor } from "@gradus/core";
import { checkGrads } from "@gradus/gradcheck";
import { linear, luongAttention } from "@gradus/nn";
import { add, concat, expandDims, matmul, mul, reshape, slice, sum, tanh } from "@gradus/ops";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { composedAttention } from "../src/luongAttention.ts";
import { expectClose, expectError, expectSame, expectSameInStep, goldens, random, toTensor } from "./helpers.ts";
import { golden, runs, sameGradient, sameValue, seed } from "./settings.ts";

describe("PyTorch's numbers", () => {
  const cases = goldens("seq_attention.json").filter(({ op }) => op === "luongGeneral" || op === "luongOutput");
  test("are three cases", () => expect(cases.length).toBe(3));

  test.each(cases)("$name", ({ inputs, options, differentiable, cotangent, expected, grads, scales }) => {
    const leaves = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, toTensor(x, true)]));
    const { memory, W } = leaves as Record<"memory" | "W", Tensor>;
    const query = leaves.query!.shape.length === 2 ? expandDims(leaves.query!, { axis: 1 }) : leaves.query!; // one step
    const lengths = options.lengths as number[] | null;
    const { context, weights } = luongAttention({ weight: W }, query, memory, lengths ? { lengths } : {});
    const scores = matmul(query, matmul(memory, W, { transposeB: true }), { transposeB: true });
    const { Wc } = leaves;
    const attentionVector = Wc && tanh(linear({ weight: Wc }, concat([context, query], { axis: -1 })));
    const got: Record<string, Tensor | undefined> = { scores, weights, context, attentionVector };
    const names = Object.keys(expected);
    const terms = names.map((name) => {
      const wanted = toTensor(expected[name]!);
      const out = reshape(got[name]!, wanted.shape);
      expectClose(out, wanted, golden * scales[name]!, name);
      return sum(mul(out, toTensor(cotangent[name]!)));
    });
    const found = grad(
      terms.reduce((total, term) => add(total, term)),
      differentiable.map((name) => leaves[name]!),
    );
    differentiable.forEach((name, i) => {
      expectClose(found[i]!, toTensor(grads[name]!), golden * scales[`grad:${name}`]!, `gradient in ${name}`);
    });
    expect(names.length + differentiable.length).toBeGreaterThanOrEqual(6);
  });
});

const weight = random(1, [3, 4]);
const query = random(2, [2, 3, 3]);
const memory = random(3, [2, 5, 4]);
const leafOf = (x: Tensor): Tensor => tensor(x.data, { shape: x.shape, requiresGrad: true });
const both = (w: Tensor, q: Tensor, m: Tensor, options: object): Tensor => {
  const { context, weights } = luongAttention({ weight: w }, q, m, options);
  return concat([context, weights], { axis: -1 });
};

describe("luongAttention", () => {
  test("lengths are a mask", () => {
    const [lengths, rows] = [
      [5, 2],
      [
        [1, 1, 1, 1, 1],
        [1, 1, 0, 0, 0],
      ],
    ];
    const wanted = both(weight, query, memory, { lengths });
    const everyQuery = rows.map((row) => [row, row, row]);
    for (const mask of [rows, everyQuery, tensor(rows), tensor(everyQuery, { dtype: "bool" })]) {
      expectSame(both(weight, query, memory, { mask }), wanted);
    }
    expectSame(both(weight, query, memory, { lengths: [5, 5] }), both(weight, query, memory, {}));
  });

  test("a mask may differ between queries", () => {
    const mask = [
      [
        [1, 1, 0, 0, 0],
        [0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1],
      ],
      [
        [0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 1, 0, 0, 1],
      ],
    ];
    const { context, weights } = luongAttention({ weight }, query, memory, { mask });
    const row = (x: Tensor, b: number, t: number): Tensor =>
      reshape(slice(slice(x, { start: b, end: b + 1 }), { axis: 1, start: t, end: t + 1 }), [x.shape[2]!]);
    expectSame(row(context, 1, 0), row(memory, 1, 1));
    expectSame(row(context, 0, 1), row(memory, 0, 4));
    expect(row(context, 1, 1).toArray()).toEqual([0, 0, 0, 0]);
    weights.data.forEach((value, i) => expect(value === 0).toBe(!mask.flat(2)[i]));
    const sums = sum(weights, { axis: -1 }).data;
    [1, 1, 1, 1, 0, 1].forEach((wanted, i) => expect(sums[i]).toBeCloseTo(wanted, 12));
  });

  test.each([NaN, Infinity, 1e300])(
    "a memory of %d past the length changes no bit, in value or gradient",
    (padding) => {
      const cotangent = random(4, [2, 3, 9]);
      const run = (at: number): readonly Tensor[] => {
        const data = memory.data.map((value: number, i: number) => (Math.floor(i / 4) >= 7 ? at : value));
        const leaves = [weight, query, tensor(data, { shape: memory.shape })].map(leafOf) as [Tensor, Tensor, Tensor];
        const y = both(...leaves, { lengths: [5, 2] });
        return [y, ...grad(y, leaves, { cotangent })];
      };
      const wanted = run(0);
      for (const got of [run(padding), step(() => run(padding))]) {
        got.forEach((x, i) => expectSame(x, wanted[i]!, `result ${i}`));
      }
    },
  );

  test.each([5, 8, 13, 33])("places added past the lengths change no bit, in value or gradient: %i and more", (S) => {
    const [m, cotangent] = [random(5, [2, S, 4]), random(6, [2, 3, 4])];
    const run = (added: number): readonly Tensor[] => {
      const longer = concat([m, random(7, [2, added, 4])], { axis: 1 });
      const leaves = [weight, query, longer].map(leafOf) as [Tensor, Tensor, Tensor];
      const { context } = luongAttention({ weight: leaves[0] }, leaves[1], leaves[2], added ? { lengths: [S, S] } : {});
      const [dw, dq, dm] = grad(context, leaves, { cotangent });
      return [context, dw, dq, slice(dm, { axis: 1, end: S })];
    };
    const wanted = run(0);
    for (const added of [1, 4, 9])
      run(added).forEach((x, i) => expectSame(x, wanted[i]!, `result ${i}, ${added} added`));
  });

  test("a row without places has context and gradient 0", () => {
    const leaves = [weight, query, memory].map(leafOf) as [Tensor, Tensor, Tensor];
    const y = both(...leaves, { lengths: [0, 3] });
    expect(slice(y, { end: 1 }).data.every((value) => value === 0)).toBe(true);
    const [, dq, dm] = grad(y, leaves, { cotangent: random(4, y.shape) });
    expect(slice(dq, { end: 1 }).data.every((value) => value === 0)).toBe(true);
    expect(slice(dm, { end: 1 }).data.every((value) => value === 0)).toBe(true);
    expect(slice(dm, { start: 1 }).data.some((value) => value !== 0)).toBe(true);
  });

  test("is its definition, in values and all gradients, for any mask", () => {
    const arbitrary = fc.record({
      seed: fc.nat(1000),
      sizes: fc.tuple(...Array.from({ length: 5 }, () => fc.integer({ min: 1, max: 5 }))),
      everyQuery: fc.boolean(),
      places: fc.infiniteStream(fc.boolean()),
    });
    fc.assert(
      fc.property(arbitrary, ({ seed, sizes: [B, T, S, Hq, Hm], everyQuery, places }) => {
        const mask = tensor([...places.take(B! * S! * (everyQuery ? T! : 1))], {
          shape: [B!, everyQuery ? T! : 1, S!],
          dtype: "bool",
        });
        const inputs = [random(seed, [Hq!, Hm!]), random(seed + 1, [B!, T!, Hq!]), random(seed + 2, [B!, S!, Hm!])];
        const leaves = inputs.map(leafOf);
        const [weight, query, memory] = leaves as [Tensor, Tensor, Tensor];
        const got = luongAttention({ weight }, query, memory, { mask }).context;
        const wanted = composedAttention({ weight, query, memory, mask });
        expectClose(got, wanted, sameValue);
        const cotangent = random(seed + 3, got.shape);
        const slopes = grad(wanted, leaves, { cotangent });
        grad(got, leaves, { cotangent }).forEach((dx, i) => expectClose(dx, slopes[i]!, sameGradient, `gradient ${i}`));
      }),
      { seed, numRuns: runs },
    );
  });

  test("is one op; the weights cost nothing where nobody asks for them, and are recorded where somebody does", () => {
    const ops: string[] = [];
    const leaf = leafOf(memory);
    const seen = { value: (op: string) => ops.push(op) };
    const attention = observe(() => luongAttention({ weight }, query, leaf), seen);
    expect(ops.filter((op) => op === "luongAttention")).toHaveLength(1);
    expect(ops).not.toContain("softmax");
    const weights = observe(() => attention.weights, seen);
    expect(ops).toContain("softmax");
    expect(attention.weights).toBe(weights);
    expect(grad(weights, [leaf], { cotangent: random(4, weights.shape) })[0].shape).toEqual(memory.shape);
  });

  test("takes one tensor for queries and memory", () => {
    checkGrads(
      (w, x) => luongAttention({ weight: w }, x, x, { lengths: [2, 3] }).context,
      [random(1, [3, 3]), random(2, [2, 3, 3])],
    );
  });

  test("has the right gradients", () => {
    checkGrads((w, q, m) => luongAttention({ weight: w }, q, m, { lengths: [0, 3] }).context, [weight, query, memory]);
    checkGrads((w, q, m) => both(w, q, m, {}), [weight, query, memory]);
    checkGrads((w, q, m) => both(w, q, m, { lengths: [4, 2] }), [weight, query, memory]);
  });

  test("gives the same bits in step()", () => {
    const leaves = [weight, query, memory].map(leafOf) as [Tensor, Tensor, Tensor];
    expectSameInStep(() => {
      const y = both(...leaves, { lengths: [4, 2] });
      return [y, ...grad(y, leaves, { cotangent: random(4, [2, 3, 9]) })];
    });
  });

  test("names what does not fit", () => {
    const op = "luongAttention";
    expectError(
      () => luongAttention({ weight }, query, random(1, [3, 5, 4])),
      ShapeError,
      `${op}: memory does not fit; got query float64[2,3,3], memory float64[3,5,4], weight float64[3,4]; ` +
        "want query [B,T,Hq], memory [B,S,Hm], weight [Hq,Hm]",
    );
    expect(() => luongAttention({ weight }, memory, memory)).toThrow(`${op}: weight does not fit`);
    expect(() => luongAttention({ weight: tensor([[1]]) }, query, memory)).toThrow(DTypeError);
    expectError(
      () => luongAttention({ weight }, query, memory, { lengths: [6, 1] }),
      IndexError,
      `${op}: no such length; got lengths[0] 6; want 0 to 5`,
    );
    expectError(
      () => luongAttention({ weight }, query, memory, { mask: [[true, false]] }),
      ShapeError,
      `${op}: the mask does not fit; got mask bool[1,2]; want [2,5] or [2,3,5]`,
    );
    expect(() => luongAttention({ weight }, query, memory, { lengths: [1, 1], mask: [[1]] })).toThrow(ValueError);
  });
});
