import { grad, hvp, observe, step, tensor, memoryStats, valueAndGrad, type Tensor } from "@gradus/core";
import { add, matmul } from "@gradus/ops";
import { linearSequenceLoss, sequenceLoss, type SequenceLossOptions } from "@gradus/seq2seq";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kinds, problem, stream } from "./arbitraries.ts";
import { evaluate, expectClose, rows, settings, type Evaluated } from "./helpers.ts";
import type { Problem } from "./naive.ts";
import { seed } from "./settings.ts";

type Float = "float32" | "float64";
interface Setting {
  readonly p: Problem;
  readonly H: number;
  readonly biased: boolean;
  /** Whether weights and distributions take gradients too. */
  readonly all: boolean;
  readonly dtype: Float;
  readonly labelSmoothing: number;
  readonly zLoss: number;
}

const setting: fc.Arbitrary<Setting> = fc.record({
  p: fc.tuple(fc.constantFrom(...kinds), fc.boolean()).chain(([kind, soft]) => problem({ kind, soft, largest: 6 })),
  H: fc.integer({ min: 1, max: 5 }),
  biased: fc.boolean(),
  all: fc.boolean(),
  dtype: fc.constantFrom("float32" as const, "float64" as const),
  labelSmoothing: fc.constantFrom(0, 0.1),
  zLoss: fc.constantFrom(0, 0.05),
});

interface Inputs {
  readonly hidden: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly targets: Tensor;
  readonly weights: Tensor;
  /** Those that take gradients. */
  readonly wanted: readonly Tensor[];
}

function inputsOf({ p, H, biased, all, dtype }: Setting): Inputs {
  const { B, T, V } = p;
  const random = stream(B * T + H);
  const leaf = (...shape: number[]): Tensor => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tensor(
      Float64Array.from({ length: size }, () => 2 * random() - 1),
      { shape, dtype, requiresGrad: true },
    );
  };
  const hidden = leaf(B, T, H);
  const weight = leaf(V, H);
  const bias = biased ? leaf(V) : null;
  const targets = p.soft
    ? tensor([...p.soft], { shape: [B, T, V], dtype, requiresGrad: all })
    : tensor([...p.labels!], { shape: [B, T], dtype: "int32" });
  const weights = tensor([...p.weights], { shape: [B, T], dtype, requiresGrad: all });
  const wanted = [hidden, weight, ...(bias ? [bias] : []), ...[targets, weights].filter((x) => x.requiresGrad)];
  return { hidden, weight, bias, targets, weights, wanted };
}

const logitsOf = ({ hidden, weight, bias }: Inputs): Tensor => {
  const x = matmul(hidden, weight, { transposeB: true });
  return bias ? add(x, bias) : x;
};
const plain = (x: Inputs, options: SequenceLossOptions): Evaluated =>
  evaluate(sequenceLoss(logitsOf(x), x.targets, x.weights, options), x.wanted);
const linear = (x: Inputs, options: object): Evaluated =>
  evaluate(linearSequenceLoss(x.hidden, x.weight, x.bias, x.targets, x.weights, options), x.wanted);

describe("linearSequenceLoss", () => {
  test.each(Object.entries(settings))(
    "%s: value and all gradients are the plain path's, in and out of a step",
    (_, flags) => {
      fc.assert(
        fc.property(setting, (setting) => {
          const options = { ...flags, labelSmoothing: setting.labelSmoothing, zLoss: setting.zLoss };
          const x = inputsOf(setting);
          const want = plain(x, options);
          for (const got of [linear(x, options), step(() => linear(x, options))]) {
            const tolerance = setting.dtype === "float32" ? 1e-5 : 1e-12;
            const scale = (value: number): number => Math.max(1, Math.abs(value));
            expect(got.shape).toEqual(want.shape);
            expectClose(got.value, [...want.value], tolerance, "loss", scale);
            got.grads.forEach((g, i) => expectClose(g, [...want.grads[i]!], tolerance, `gradient ${i}`, scale));
          }
        }),
        { seed, numRuns: 40 },
      );
    },
  );

  test("blocks of rows and of classes make no difference", () => {
    const [B, T, H, V] = [3, 400, 2, 2500];
    const random = stream(7);
    const values = (size: number): Float64Array => Float64Array.from({ length: size }, () => 2 * random() - 1);
    const leaf = (...shape: number[]): Tensor =>
      tensor(values(shape.reduce((a, b) => a * b, 1)), { shape, dtype: "float64", requiresGrad: true });
    const [hidden, weight, bias] = [leaf(B, T, H), leaf(V, H), leaf(V)];
    const targets = tensor(
      Int32Array.from({ length: B * T }, () => Math.floor(V * random())),
      { shape: [B, T] },
    );
    const weights = tensor(
      Float64Array.from({ length: B * T }, () => (random() < 0.1 ? 0 : 1)),
      { shape: [B, T] },
    );
    const x: Inputs = { hidden, weight, bias, targets, weights, wanted: [hidden, weight, bias] };
    const [got, want] = [step(() => linear(x, {})), plain(x, {})];
    expectClose(got.value, [...want.value], 1e-12, "loss");
    got.grads.forEach((g, i) => expectClose(g, [...want.grads[i]!], 1e-12, `gradient ${i}`));
  });

  test("needs an eighth of the plain path's memory where classes are many", () => {
    const [B, T, H, V] = [32, 32, 16, 8000];
    const [hidden, weight] = [
      tensor(new Float32Array(B * T * H), { shape: [B, T, H] }),
      tensor(new Float32Array(V * H), { shape: [V, H] }),
    ];
    const targets = new Int32Array(B * T);
    const peakOf = (loss: (h: Tensor, w: Tensor) => Tensor): number =>
      step(() => {
        const leaves = [hidden, weight].map((x) => tensor(x.data, { shape: x.shape, requiresGrad: true })) as [
          Tensor,
          Tensor,
        ];
        grad(loss(...leaves), leaves);
        return memoryStats().peak;
      });
    const one = new Float32Array(B * T).fill(1);
    const whole = peakOf((h, w) => sequenceLoss(matmul(h, w, { transposeB: true }), targets, one));
    const inBlocks = peakOf((h, w) => linearSequenceLoss(h, w, null, targets, one));
    expect(inBlocks).toBeLessThan(whole / 8);
  });

  test("does not read rows of weight 0, whatever their label", () => {
    const weight = tensor(rows([1, 0], [0, 1], [1, 1]), { requiresGrad: true });
    const hidden = (garbage: number): Tensor => tensor([rows([2, 0], [garbage, garbage])], { requiresGrad: true });
    const results = [5, NaN, Infinity].map((garbage) => {
      const h = hidden(garbage);
      return evaluate(linearSequenceLoss(h, weight, null, [[1, -100]], [[1, 0]]), [h, weight]);
    });
    for (const result of results) expect(result).toEqual(results[0]);
    expect([...results[0]!.grads[0]!.subarray(2)]).toEqual([0, 0]);
  });

  test("can be differentiated twice", () => {
    const map = {
      weight: tensor(rows([1, 0], [0, 1], [1, 1]), { dtype: "float64" }),
      bias: tensor([0, 1, 0], { dtype: "float64" }),
    };
    const hidden = tensor([rows([2, 0], [0.5, 1])], { dtype: "float64" });
    const direction = tensor([rows([1, -1], [0.5, 2])], { dtype: "float64" });
    const products = [
      hvp((h: Tensor) => linearSequenceLoss(h, map.weight, map.bias, [[1, 2]], [[1, 2]]), hidden, direction),
      hvp(
        (h: Tensor) => sequenceLoss(add(matmul(h, map.weight, { transposeB: true }), map.bias), [[1, 2]], [[1, 2]]),
        hidden,
        direction,
      ),
    ];
    expectClose(products[0]!.data, [...products[1]!.data], 1e-14, "product");
  });

  test.each([
    [
      "a weight of another width",
      [2, 4, 3],
      [5, 2],
      [5],
      /shapes do not fit; got hidden .*\[2,4,3\], weight .*\[5,2\]/,
    ],
    ["a bias of another length", [2, 4, 3], [5, 3], [4], /bias float32\[4\]; want .* bias \[V\] or null/],
    ["hidden states of rank 2", [4, 3], [5, 3], [5], /hidden of rank 2; got hidden .*; want \[B, T, H\]/],
    ["no classes", [2, 4, 3], [0, 3], [0], /no classes/],
  ])("refuses %s", (_, hidden, weight, bias, message) => {
    const [h, w, b] = [hidden, weight, bias].map((shape) =>
      tensor(new Float32Array(shape.reduce((p, q) => p * q, 1)), { shape }),
    ) as [Tensor, Tensor, Tensor];
    const ones = tensor(new Float32Array(8).fill(1), { shape: [2, 4] });
    expect(() => linearSequenceLoss(h, w, b, new Int32Array(8), ones)).toThrow(message);
  });

  test("refuses what is no tensor and no options, by name", () => {
    const [h, w] = [tensor([rows([1])]), tensor(rows([1]))];
    const nothing = undefined as unknown as Tensor;
    expect(() => linearSequenceLoss(nothing, w, null, [[0]], [[1]])).toThrow(
      "got hidden undefined; want a float tensor [B, T, H]",
    );
    expect(() => linearSequenceLoss(h, nothing, null, [[0]], [[1]])).toThrow("not a tensor; got weight undefined");
    expect(() => linearSequenceLoss(h, w, null, [[0]], [[1]], null as never)).toThrow(
      "linearSequenceLoss: not options",
    );
    expect(() => sequenceLoss(h, [[0]], [[1]], null as never)).toThrow("sequenceLoss: not options; got options null");
  });

  test("refuses a loss function of one's own, and mixed dtypes", () => {
    const [h, w] = [tensor([rows([1])]), tensor(rows([1]), { dtype: "float64" })];
    expect(() => linearSequenceLoss(h, w, null, [[0]], [[1]])).toThrow("linearSequenceLoss: mixed dtypes");
    const options = { softmaxLossFunction: ({ logits }: { logits: Tensor }) => logits };
    // @ts-expect-error: it needs whole logits
    expect(() => linearSequenceLoss(h, h, null, [[0]], [[1]], options)).toThrow("which needs whole logits");
  });
});

describe("the kernels that ran", () => {
  const kernels = (fn: () => void): Set<string> => {
    const found = new Set<string>();
    observe(fn, { kernel: (name) => found.add(name) });
    return found;
  };
  const logits = tensor([rows([1, 0], [0, 1])], { requiresGrad: true });

  test("are one by default, for value and gradient", () => {
    const found = kernels(() => valueAndGrad((x: Tensor) => sequenceLoss(x, [[0, 1]], [[1, 1]]))(logits));
    expect([...found]).toEqual(["crossEntropySum_f32"]);
  });

  test("are the fused ones for a loss that is no scalar, each way, and no softmax", () => {
    const options = { averageAcrossTimesteps: false } as const;
    const loss = sequenceLoss(logits, [[0, 1]], [[1, 1]], options);
    const found = kernels(() => grad(sequenceLoss(logits, [[0, 1]], [[1, 1]], options), [logits], { cotangent: loss }));
    expect(found).toContain("crossEntropyBlock_f32");
    expect(found).toContain("crossEntropyGrad_f32");
    expect([...found].filter((name) => /softmax/i.test(name))).toEqual([]);
  });

  test("are those of the definition for second derivatives", () => {
    const found = kernels(() => {
      const [first] = grad(sequenceLoss(logits, [[0, 1]], [[1, 1]]), [logits], { createGraph: true });
      grad(first, [logits], { cotangent: logits });
    });
    expect(found).toContain("logSoftmax_f32");
  });
});
