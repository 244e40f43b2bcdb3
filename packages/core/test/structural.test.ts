import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  add,
  align,
  broadcastShapes,
  broadcastTo,
  DTypeError,
  grad,
  ShapeError,
  sumTo,
  tensor,
  ValueError,
  zeros,
  type Tensor,
} from "../src/index.ts";
import { constant, expectError, homes, leaf, numbers, randomLeaf, generator, seed, watchMemory } from "./support.ts";
import { mul, sum } from "./ops.ts";

watchMemory();

/** A shape, and one that broadcasts to it. */
const shapes = fc
  .array(fc.record({ length: fc.integer({ min: 0, max: 4 }), one: fc.boolean() }), { maxLength: 4 })
  .chain((axes) =>
    fc.integer({ min: 0, max: axes.length }).map((added) => ({
      large: axes.map(({ length }) => length),
      small: axes.slice(added).map(({ length, one }) => (one ? 1 : length)),
    })),
  );

describe.each(homes)("add, broadcastTo and sumTo %s", (_, run) => {
  it("add broadcasts, and takes numbers as constants of the other's dtype", () => {
    run(() => {
      expect(add(tensor([[1], [2]]), tensor([10, 20])).toArray()).toEqual([
        [11, 21],
        [12, 22],
      ]);
      for (const dtype of ["float32", "float64", "int32"] as const) {
        const y = add(3, tensor([1, 2], { dtype }));
        expect([y.dtype, numbers(y)]).toEqual([dtype, [4, 5]]);
      }
      expect(add(1, 2)).toMatchObject({ dtype: "float32", shape: [] });
    });
  });

  it("a shape that fits already gives the tensor itself", () => {
    run(() => {
      const x = leaf([[1, 2]]);
      expect(broadcastTo(x, [1, 2])).toBe(x);
      expect(sumTo(x, [1, 2])).toBe(x);
    });
  });

  it(`are each other's pull-back, seed ${seed}`, () => {
    fc.assert(
      fc.property(shapes, ({ large, small }) => {
        run(() => {
          const random = generator();
          const [x, y] = [randomLeaf(small, random), randomLeaf(large, random)];
          const [up, down] = [broadcastTo(x, large), sumTo(y, small)];
          expect([up.shape, down.shape]).toEqual([large, small]);
          const [pulledUp] = grad(up, [x], { cotangent: tensor(y.data, { shape: large }) });
          const [pulledDown] = grad(down, [y], { cotangent: tensor(x.data, { shape: small }) });
          expect(numbers(pulledUp)).toEqual(numbers(down));
          expect(numbers(pulledDown)).toEqual(numbers(up));
        });
      }),
      { numRuns: 50 },
    );
  });
});

describe("broadcasting refuses", () => {
  const [x, y] = [zeros([2, 3]), zeros([2, 4])];

  it("shapes that do not broadcast", () => {
    const want = "want axes, from the last, of equal length or 1";
    expectError(
      () => add(x, y),
      ShapeError,
      `add: shapes do not broadcast; got a float32[2,3], b float32[2,4]; ${want}`,
    );
    expectError(
      () => broadcastShapes("op", { first: x, second: zeros([3]), third: zeros([5, 1, 2]) }),
      ShapeError,
      `op: shapes do not broadcast; got first float32[2,3], second float32[3], third float32[5,1,2]; ${want}`,
    );
    expect(broadcastShapes("op", { a: zeros([3, 1]), b: zeros([]), c: zeros([2, 1, 4]) })).toEqual([2, 3, 4]);
    expect(broadcastShapes("op", { a: zeros([0]), b: zeros([1]) })).toEqual([0]);
    expect(() => broadcastShapes("op", { a: zeros([0]), b: zeros([2]) })).toThrow(ShapeError);
  });

  it("targets that do not fit, or are no shapes", () => {
    const up = "want each axis of x, from the last, of length 1 or as in shape";
    const down = "want each axis, from the last, of length 1 or as in x";
    for (const shape of [[3], [2, 4], [3, 2], [4, 2, 1]]) {
      const got = `got x float32[2,3], shape [${shape.join(",")}]`;
      expectError(() => broadcastTo(x, shape), ShapeError, `broadcastTo: x does not broadcast; ${got}; ${up}`);
    }
    for (const shape of [[2], [4, 2, 3], [2, 2]]) {
      const got = `got x float32[2,3], shape [${shape.join(",")}]`;
      expectError(() => sumTo(x, shape), ShapeError, `sumTo: the shape does not broadcast to x's; ${got}; ${down}`);
    }
    const none = "not a shape; got shape [2,-3]; want whole numbers from 0";
    expectError(() => broadcastTo(x, [2, -3]), ShapeError, `broadcastTo: ${none}`);
    expectError(() => sumTo(x, [2, -3]), ShapeError, `sumTo: ${none}`);
  });

  it("mixed dtypes, and what is no tensor or number", () => {
    expectError(
      () => add(x, constant(1)),
      DTypeError,
      "add: mixed dtypes; got a float32[2,3], b float64[]; want one dtype: cast one of them",
    );
    const want = "want a tensor, or a number for a constant";
    const wrong = (value: unknown): Tensor => value as Tensor;
    expectError(() => add(x, wrong("1")), ValueError, `add: not a tensor or a number; got b 1; ${want}`);
    expectError(() => add(wrong(null), x), ValueError, `add: not a tensor or a number; got a null; ${want}`);
    expectError(() => broadcastTo(wrong(1), [1]), ValueError, "broadcastTo: not a tensor; got x 1; want a tensor");
    expectError(() => sumTo(wrong(undefined), []), ValueError, "sumTo: not a tensor; got x undefined; want a tensor");
  });

  it("a number that the other's dtype cannot hold", () => {
    const message = "add: not a value of dtype int32; got b 0.5; want 32-bit integers";
    expectError(() => add(tensor([1], { dtype: "int32" }), 0.5), ValueError, message);
  });

  it("bool where numbers are added up", () => {
    const mask = tensor([true, false]);
    expectError(() => add(mask, mask), DTypeError, "add: numbers only; got a bool[2], b bool[2]");
    expectError(() => sumTo(mask, []), DTypeError, "sumTo: numbers only; got x bool[2]");
    expect(broadcastTo(mask, [2, 2]).toArray()).toEqual([
      [true, false],
      [true, false],
    ]);
  });
});

describe("align", () => {
  it("gives two operands of one shape, for ops of one's own", () => {
    const { a, b } = align("op", leaf([[1], [2]]), 5);
    expect([a.shape, b.shape, b.dtype, numbers(b)]).toEqual([[2, 1], [2, 1], "float64", [5, 5]]);
    const x = leaf([1, 2]);
    const stretched = align("op", x, zeros([3, 2], { dtype: "float64" }));
    expect(numbers(grad(sum(mul(stretched.a, 2)), [x])[0])).toEqual([6, 6]);
  });

  it("keeps the caller's shape array out of the graph", () => {
    const shape = [3, 2];
    const x = leaf([1, 2]);
    const y = broadcastTo(x, shape);
    const z = sumTo(y, [2]);
    shape[0] = 99;
    expect([y.shape, numbers(z)]).toEqual([
      [3, 2],
      [3, 6],
    ]);
    expect(numbers(grad(sum(y), [x])[0])).toEqual([3, 3]);
  });
});
