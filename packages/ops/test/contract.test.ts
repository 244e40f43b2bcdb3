import { grad, step, tensor, ValueError, type DType, type Nested, type Tensor } from "@gradus/core";
import { excludedIsNotRead } from "@gradus/gradcheck";
import * as o from "@gradus/ops";
import { describe, expect, test } from "vitest";

// What the design promises about NaN and infinity, in both float dtypes, by `vjp` and by `backward`, in and out of a step.
const ways = (["float64", "float32"] as const).flatMap((dtype) =>
  [false, true].flatMap((createGraph) => [false, true].map((inside) => ({ dtype, createGraph, inside }))),
);

describe.each(ways)("in $dtype, createGraph $createGraph, in a step $inside:", ({ dtype, createGraph, inside }) => {
  const of = (values: Nested, requiresGrad = false): Tensor => tensor(values, { dtype, requiresGrad });

  /** Value and gradients of fn, for a cotangent (1s by default). */
  function run(fn: (...xs: Tensor[]) => Tensor, inputs: readonly Nested[], cotangent?: Nested): Nested[] {
    const work = (): Tensor[] => {
      const leaves = inputs.map((x) => of(x, true));
      const y = fn(...leaves);
      const dy = cotangent === undefined ? of(mapNested(y.toArray(), () => 1)) : of(cotangent);
      return [y, ...grad(y, leaves, { cotangent: dy, createGraph, unreached: "zero" })];
    };
    return (inside ? step(work) : work()).map((x) => mapNested(x.toArray(), (value) => value + 0)); // −0 is 0 here
  }

  /** The gradient of Σ of the gradient. */
  function second(fn: (x: Tensor) => Tensor, at: Nested): Nested {
    const x = of(at, true);
    const y = fn(x);
    const [dx] = grad(y, [x], { cotangent: of(mapNested(y.toArray(), () => 1)), createGraph: true });
    return grad(o.sum(dx), [x], { unreached: "zero" })[0].toArray();
  }

  const guarded: [string, (x: Tensor) => Tensor, number, number, number][] = [
    ["sqrt", o.sqrt, 2, 0.25, -1 / 32],
    ["log", o.log, Math.log(4), 0.25, -1 / 16],
    ["1/x", (x) => o.div(1, x), 0.25, -1 / 16, 1 / 32],
    ["x/x", (x) => o.div(x, x), 1, 0, 0],
    ["reciprocal", o.reciprocal, 0.25, -1 / 16, 1 / 32],
    ["rsqrt", o.rsqrt, 0.5, -1 / 16, 3 / 128],
    ["√x as a power", (x) => o.pow(x, 0.5), 2, 0.25, -1 / 32],
    ["1/x as a power", (x) => o.pow(x, -1), 0.25, -1 / 16, 1 / 32],
  ];
  test.each(guarded)(
    "where(x > 0, %s, 0) at 0 has gradient 0, at first and second order",
    (_, f, value, slope, bend) => {
      const fn = (x: Tensor): Tensor => o.where(o.greater(x, 0), f(x), 0);
      expect(run(fn, [[0, 4]])).toEqual([
        [0, expect.closeTo(value, 6)],
        [0, expect.closeTo(slope, 6)],
      ]);
      expect(second(fn, [0, 4])).toEqual([0, expect.closeTo(bend, 6)]);
    },
  );

  test("where(x < 1, exp(x), 1) has gradient 0 where exp overflows", () => {
    const fn = (x: Tensor): Tensor => o.where(o.less(x, 1), o.exp(x), 1);
    expect(run(fn, [[0, 1000]])).toEqual([
      [1, 1],
      [1, 0],
    ]);
    expect(second(fn, [0, 1000])).toEqual([1, 0]);
  });

  test("where passes nothing of what is not selected, NaN among it", () => {
    const fn = (x: Tensor, y: Tensor): Tensor => o.where([true, false], x, y);
    expect(
      run(fn, [
        [1, NaN],
        [Infinity, 2],
      ]),
    ).toEqual([
      [1, 2],
      [1, 0],
      [0, 1],
    ]);
  });

  test.each([
    ["sqrt", o.sqrt, 0],
    ["log", o.log, 0],
    ["exp", o.exp, Infinity],
    ["a reciprocal", (x: Tensor) => o.div(1, x), 0],
    ["a product with ∞", (x: Tensor) => o.mul(x, Infinity), 1],
    ["a product with NaN", (x: Tensor) => o.mul(x, NaN), 1],
    ["a square root of NaN", o.sqrt, NaN],
  ])("a cotangent of 0 comes back from %s as 0", (_, f, at) => {
    expect(run(f, [[at]], [0])[1]).toEqual([0]);
  });

  test("a live cotangent meets the honest slope", () => {
    expect(run(o.sqrt, [[0]])[1]).toEqual([Infinity]);
    expect(run(o.log, [[0]])).toEqual([[-Infinity], [Infinity]]);
    expect(run((x) => o.div(1, x), [[0]])).toEqual([[Infinity], [-Infinity]]);
    expect(run((x) => o.mul(x, NaN), [[1]])).toEqual([[NaN], [NaN]]);
  });

  test("at a kink the slope is the one documented", () => {
    expect(run(o.abs, [[-2, 0, 3]])[1]).toEqual([-1, 0, 1]);
    expect(run(o.relu, [[-2, 0, 3]])[1]).toEqual([0, 0, 1]);
    expect(run((x) => o.leakyRelu(x, { negativeSlope: 0.5 }), [[-2, 0, 3]])[1]).toEqual([0.5, 0.5, 1]);
    expect(run(o.maximum, [[1, 2, 3], [2, 2, 2]]).slice(1)).toEqual([[0, 0.5, 1], [1, 0.5, 0]]); // prettier-ignore
    expect(run(o.minimum, [[1, 2, 3], [2, 2, 2]]).slice(1)).toEqual([[1, 0.5, 0], [0, 0.5, 1]]); // prettier-ignore
    expect(run((x) => o.clip(x, { min: -1, max: 2 }), [[-2, -1, 0, 2, 3]])[1]).toEqual([0, 1, 1, 1, 0]);
  });

  test("a power: 0⁰ is 1, and an exponent has gradient 0 where the base is 0 or less", () => {
    const [y, da, db] = run(o.pow, [[0, -2, 0, 2], [0, 3, 2, 1]]); // prettier-ignore
    expect([y, da]).toEqual([[1, -8, 0, 2], [0, 12, 0, 1]]); // prettier-ignore
    expect(db).toEqual([0, 0, 0, near(2 * Math.LN2)]);
  });

  test("a NaN on either side is NaN", () => {
    for (const f of [o.maximum, o.minimum, o.pow]) {
      expect(f(of([NaN, 2]), of([2, NaN])).toArray()).toEqual([NaN, NaN]);
    }
  });

  test.each([
    o.abs,
    o.sign,
    o.square,
    o.reciprocal,
    o.rsqrt,
    o.relu,
    o.leakyRelu,
    o.clip,
    o.expm1,
    o.log1p,
    o.sin,
    o.cos,
    o.softplus,
    o.silu,
    o.erf,
    o.gelu,
  ])("NaN stays, %#", (f) => {
    expect(f(of([NaN])).toArray()).toEqual([NaN]);
  });

  test("smooth ops have their limits at ±∞, in value and slope", () => {
    const ends = [-Infinity, Infinity];
    for (const f of [o.silu, o.softplus, (x: Tensor) => o.gelu(x), (x: Tensor) => o.gelu(x, { approximate: "tanh" })]) {
      expect(run(f, [ends])).toEqual([[0, Infinity], [0, 1]]); // prettier-ignore
    }
    expect(run(o.erf, [ends])).toEqual([[-1, 1], [0, 0]]); // prettier-ignore
    expect(run(o.expm1, [ends])).toEqual([[-1, Infinity], [0, Infinity]]); // prettier-ignore
  });

  test("where guards what has no limit, or overflows", () => {
    const at = (value: number): Nested => [value, 0.5];
    for (const [f, wild] of [
      [o.sin, Infinity],
      [o.cos, -Infinity],
      [o.expm1, 1000],
      [o.log1p, -1],
      [o.log1p, -2],
    ] as const) {
      const fn = (x: Tensor): Tensor => o.where(o.equal(x, 0.5), f(x), 0);
      const [[y], [dx]] = run(fn, [at(wild)]) as [number[], number[]];
      expect([y, dx, (second(fn, at(wild)) as number[])[0]]).toEqual([0, 0, 0]);
    }
  });

  test("divNoNan by 0 is 0, with gradient 0 for both, whatever the numerator", () => {
    expect(
      run(o.divNoNan, [
        [3, 1, Infinity, NaN],
        [2, 0, 0, 0],
      ]),
    ).toEqual([
      [1.5, 0, 0, 0],
      [0.5, 0, 0, 0],
      [-0.75, 0, 0, 0],
    ]);
  });

  test("mulNoNan by 0 is 0, even for NaN and ∞", () => {
    expect(
      run(o.mulNoNan, [
        [NaN, Infinity, 3],
        [0, 0, 2],
      ])[0],
    ).toEqual([0, 0, 6]);
  });

  test("the places that share a maximum share its gradient", () => {
    const fn = (x: Tensor): Tensor => o.max(x, { axis: 1 });
    expect(
      run(
        fn,
        [
          [
            [1, 5, 5, 2],
            [3, 3, 3, 3],
            [0, 1, 2, 9],
          ],
        ],
        [6, 8, 1],
      ),
    ).toEqual([
      [5, 3, 9],
      [
        [0, 3, 3, 0],
        [2, 2, 2, 2],
        [0, 0, 0, 1],
      ],
    ]);
  });

  test("a maximum over NaN is NaN", () => {
    expect(run((x) => o.max(x), [[1, NaN, 3]])[0]).toBe(NaN);
  });

  test("std and norm at 0 have gradient 0, at first and second order", () => {
    expect(run((x) => o.std(x), [[3, 3, 3]])).toEqual([0, [0, 0, 0]]);
    expect(run((x) => o.norm(x), [[0, 0]])).toEqual([0, [0, 0]]);
    expect(second(o.std, [3, 3, 3])).toEqual([0, 0, 0]);
    expect(second(o.norm, [0, 0])).toEqual([0, 0]);
  });

  test("products are differentiated without division, whatever zeros they have", () => {
    const rows = [
      [2, 0, 3],
      [0, 0, 5],
    ];
    const others = [
      [0, 6, 0],
      [0, 0, 0],
    ];
    expect(run((x) => o.prod(x, { axis: 1 }), [rows])).toEqual([[0, 0], others]);
    expect(second((x) => o.prod(x, { axis: 1 }), rows)).toEqual([
      [3, 5, 2],
      [5, 5, 0],
    ]);
  });

  test("a variance of no more than its correction is NaN", () => {
    expect(run((x) => o.variance(x, { correction: 1 }), [[7]])).toEqual([NaN, [NaN]]);
  });

  test("dropout of rate 1 gives zeros, with gradient 0, even of NaN", () => {
    const fn = (x: Tensor): Tensor => o.dropout(x, { rate: 1, random: { next: () => 0.999 } });
    expect(run(fn, [[1, NaN]])).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test("rows of which nothing counts are 0, −∞, −∞, with gradient 0", () => {
    const mask = [
      [1, 1, 0],
      [0, 0, 0],
    ];
    const x = [
      [0, 0, NaN],
      [NaN, Infinity, 3],
    ];
    const zeros = [0, 0, 0];
    expect(
      run(
        (x) => o.softmax(x, { mask }),
        [x],
        [
          [1, 0, 7],
          [1, 2, 3],
        ],
      ),
    ).toEqual([
      [[0.5, 0.5, 0], zeros],
      [[0.25, -0.25, 0], zeros],
    ]);
    const half = near(-Math.LN2);
    const none = [-Infinity, -Infinity, -Infinity];
    expect(
      run(
        (x) => o.logSoftmax(x, { mask }),
        [x],
        [
          [1, 0, 7],
          [1, 2, 3],
        ],
      ),
    ).toEqual([
      [[half, half, -Infinity], none],
      [[0.5, -0.5, 0].map(near), zeros],
    ]);
    expect(run((x) => o.logSumExp(x, { axis: 1, mask }), [x], [4, 5])).toEqual([
      [expect.closeTo(Math.LN2, 6), -Infinity],
      [[2, 2, 0].map(near), zeros],
    ]);
  });

  test("without a mask, logSumExp of nothing but −∞ is −∞ with gradient 0; softmax of it is NaN", () => {
    expect(run((x) => o.logSumExp(x), [[-Infinity, -Infinity]])).toEqual([-Infinity, [0, 0]]);
    expect(run((x) => o.softmax(x), [[-Infinity, -Infinity]])[0]).toEqual([NaN, NaN]);
  });

  test("−∞ as a logit of its own is as if it were masked", () => {
    expect(run((x) => o.softmax(x), [[0, -Infinity, 0]], [1, 5, 0])).toEqual([
      [0.5, 0, 0.5],
      [0.25, 0, -0.25],
    ]);
  });

  test("outside masks nothing is hidden: NaN in gives NaN out", () => {
    expect(run((x) => o.softmax(x), [[0, NaN]])[0]).toEqual([NaN, NaN]);
    expect(run((x) => o.logSoftmax(x), [[0, NaN]])[0]).toEqual([NaN, NaN]);
    expect(run((x) => o.logSumExp(x), [[0, NaN]])).toEqual([NaN, [NaN, NaN]]);
    expect(run((x) => o.sum(x), [[0, NaN]])[0]).toBe(NaN);
    expect(run((a, b) => o.matmul(a, b), [[[0, 1]], [[NaN], [1]]])[0]).toEqual([[NaN]]);
  });
});

test.each([
  ["softmax", (x: Tensor, mask: Tensor) => o.softmax(x, { axis: 0, mask })],
  ["logSoftmax", (x: Tensor, mask: Tensor) => o.logSoftmax(x, { mask })],
  ["logSumExp", (x: Tensor, mask: Tensor) => o.logSumExp(x, { axis: [-1], mask })],
  ["logSumExp over all", (x: Tensor, mask: Tensor) => o.logSumExp(x, { mask })],
])("%s does not read what its mask excludes, whatever is there", (_, fn) => {
  const counts = [1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1];
  const mask = tensor(counts, { shape: [3, 4], dtype: "bool" });
  const values = counts.map((_, i) => Math.sin(i));
  for (const dtype of ["float64", "float32"] as const) {
    const x = tensor(values, { shape: [3, 4], dtype });
    checkExcluded((t) => fn(t, mask), x, counts);
  }
});

function checkExcluded(fn: (x: Tensor) => Tensor, x: Tensor, counts: readonly number[]): void {
  excludedIsNotRead(
    fn,
    x,
    counts.map((count) => count === 0),
  );
}

test.each([NaN, Infinity, 2 ** 31, -(2 ** 31) - 1])("cast of %d to int32 is refused", (value) => {
  expect(() => o.cast(tensor([1, value], { dtype: "float64" }), "int32")).toThrow(ValueError);
  expect(() => o.cast(tensor([1, value], { dtype: "float64" }), "int32")).toThrow(
    `cast: element 1 has no int32; got value ${value}, x float64[2]; want −2³¹ to 2³¹ − 1`,
  );
});

test("comparisons with NaN are false, but ≠", () => {
  const [nan, one] = [tensor([NaN]), tensor([1])];
  for (const compare of [o.equal, o.less, o.lessEqual, o.greater, o.greaterEqual]) {
    expect([compare(nan, one), compare(nan, nan)].map((y) => y.toArray())).toEqual([[false], [false]]);
  }
  expect([o.notEqual(nan, one), o.notEqual(nan, nan)].map((y) => y.toArray())).toEqual([[true], [true]]);
});

/** A number that equals this one to about six digits. */
const near = (value: number): number => expect.closeTo(value, 5) as number;

/** The same nested arrays, of other numbers. */
function mapNested(nested: Nested, f: (value: number) => number): Nested {
  return Array.isArray(nested) ? nested.map((item: Nested) => mapNested(item, f)) : f(Number(nested));
}

test.each(["float32", "float64"] satisfies DType[])(
  "argMax names the first of several, and the first NaN, in %s",
  (dtype) => {
    expect(
      o
        .argMax(
          tensor(
            [
              [1, 3, 3],
              [1, NaN, NaN],
            ],
            { dtype },
          ),
        )
        .toArray(),
    ).toEqual([1, 1]);
  },
);

test("topK takes the first of equals first, and NaN before all", () => {
  const { values, indices } = o.topK(tensor([2, 7, NaN, 7, -Infinity, Infinity]), { k: 6 });
  expect(values.toArray()).toEqual([NaN, Infinity, 7, 7, 2, -Infinity]);
  expect(indices.toArray()).toEqual([2, 5, 1, 3, 0, 4]);
});

test("an axis of length 0 unstacks to nothing", () => {
  expect(o.unstack(tensor([], { shape: [0, 2] }))).toEqual([]);
});

test("argMin names the first of several, and the first NaN; any and all count NaN as true", () => {
  const x = tensor([
    [3, 1, 1],
    [0, NaN, NaN],
  ]);
  expect(o.argMin(x).toArray()).toEqual([1, 1]);
  expect(o.min(x, { axis: 1 }).toArray()).toEqual([1, NaN]);
  expect(o.any(x, { axis: 1 }).toArray()).toEqual([true, true]);
  expect(o.all(x, { axis: 0 }).toArray()).toEqual([false, true, true]);
});

test("softmaxCrossEntropySum refuses weights and labels that need a gradient, instead of giving them none", () => {
  const [x, w] = [tensor([[1, 2]]), tensor([1], { requiresGrad: true })];
  const want = "want a constant, or a sum over softmaxCrossEntropy";
  expect(() => o.softmaxCrossEntropySum(x, [0], w)).toThrow(
    `weights that need a gradient; got weights float32[1]; ${want}`,
  );
  const soft = tensor([[0.5, 0.5]], { requiresGrad: true });
  expect(() => o.softmaxCrossEntropySum(x, soft, [1])).toThrow(
    `labels that need a gradient; got labels float32[1,2]; ${want}`,
  );
});
