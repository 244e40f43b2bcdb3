import {
  full,
  grad,
  nameScope,
  noGrad,
  observe,
  step,
  tensor,
  zeros,
  type GradusError,
  type Tensor,
  type TensorLike,
} from "@gradus/core";
import { mul, sum } from "@gradus/ops";
import { sequenceLoss, type SequenceLossOptions } from "@gradus/seq2seq";
import { describe, expect, expectTypeOf, test } from "vitest";
import { evaluate, expectClose, lossFunctions, rows, settings } from "./helpers.ts";

/**
 * TensorFlow's own test: three time steps with logits i + 0.5 and targets i, 5 symbols, batch 2; each loss is 1.60944.
 * Source: tensorflow/contrib/seq2seq/python/kernel_tests/loss_test.py, Apache-2.0.
 */
describe("TensorFlow's published numbers", () => {
  const logits = tensor([0, 1].map(() => [0, 1, 2].map((i) => new Array<number>(5).fill(i + 0.5))));
  const targets = [0, 1].map(() => [0, 1, 2]);
  const one = 1.60944;

  test.each(Object.keys(settings))("%s", (name) => {
    const loss = (weights: TensorLike): Tensor => sequenceLoss(logits, targets, weights, settings[name]);
    const wanted: Record<string, number[]> = {
      "average both": [one],
      "sum both": [one],
      "average timesteps": [one, one],
      "sum timesteps": [one, one],
      "average batch": [one, one, one],
      "sum batch": [one, one, one],
      none: [one, one, one, one, one, one],
    };
    const ones = loss(rows([1, 1, 1], [1, 1, 1]));
    expectClose(ones.data, wanted[name]!, 3e-6, "ones");
    const last = loss(rows([1, 1, 0], [1, 1, 0]));
    const perStep = last.shape.at(-1) === 3;
    expectClose(
      last.data,
      wanted[name]!.map((x, i) => (perStep && i % 3 === 2 ? 0 : x)),
      3e-6,
      "without the last step",
    );
    const none = loss(rows([0, 0, 0], [0, 0, 0]));
    expectClose(
      none.data,
      wanted[name]!.map(() => 0),
      0,
      "zeros",
    );
  });
});

describe("extremes", () => {
  const double = (values: number[][][], requiresGrad = true): Tensor =>
    tensor(values, { dtype: "float64", requiresGrad });

  test("logits of ±10,000 neither overflow nor vanish", () => {
    const logits = double([rows([1e4, -1e4, 0], [-1e4, 1e4, 1e4])]);
    const terms = evaluate(
      sequenceLoss(logits, [[1, 2]], [[1, 1]], settings.none),
      [logits],
      full([1, 2], 1, { dtype: "float64" }),
    );
    expectClose(terms.value, [2e4, Math.LN2], 1e-12, "value");
    expectClose(terms.grads[0]!, [1, -1, 0, 0, 0.5, -0.5], 1e-12, "gradient");
  });

  test("−∞ on wrong classes is a class that cannot be", () => {
    const logits = double([rows([0, -Infinity, 0], [3, -Infinity, -Infinity])]);
    const { value, grads } = evaluate(
      sequenceLoss(logits, [[2, 0]], [[1, 1]]),
      [logits],
      full([], 1, { dtype: "float64" }),
    );
    expectClose(value, [Math.LN2 / 2], 1e-15, "value");
    expectClose(grads[0]!, [0.25, 0, -0.25, 0, 0, 0], 1e-15, "gradient");
    const soft = sequenceLoss(logits, double([rows([0.5, 0, 0.5], [1, 0, 0])]), [[1, 1]]);
    expectClose(soft.data, [Math.LN2 / 2], 1e-15, "of distributions");
    expectClose(grad(soft, [logits])[0].data, [0, 0, 0, 0, 0, 0], 1e-15, "their gradient");
  });

  test.each(Object.keys(settings))("one class costs nothing: %s", (name) => {
    const logits = double([[[7], [-3]]]);
    for (const targets of [[[0, 0]], double([[[1], [0.5]]])]) {
      const { value, grads } = evaluate(sequenceLoss(logits, targets, [[1, 2]], settings[name]), [logits]);
      expect([...value, ...grads[0]!].every((x) => x === 0)).toBe(true);
    }
  });

  test.each(Object.keys(settings))("one token: %s", (name) => {
    const logits = double([[[0, Math.log(3)]]]);
    const weight = tensor([[2]], { dtype: "float64", requiresGrad: true });
    const loss = sequenceLoss(logits, [[1]], weight, settings[name]);
    const { value, grads } = evaluate(loss, [logits, weight], full(loss.shape, 1, { dtype: "float64" }));
    const [averages, ce] = [name.startsWith("average"), Math.log(4 / 3)];
    const w = averages ? 1 : 2;
    expectClose(value, [w * ce], 1e-15, "value");
    expectClose(grads[0]!, [w / 4, -w / 4], 1e-15, "gradient in logits");
    expectClose(grads[1]!, [averages ? 0 : ce], 1e-15, "gradient in the weight");
  });

  test("a million rows have their mean to 1e-6 in float32", () => {
    const [B, T] = [1000, 1000];
    const data = Float32Array.from({ length: B * T * 2 }, (_, i) => Math.sin(i) * (i % 7));
    const labels = Int32Array.from({ length: B * T }, (_, i) => (i >> 3) & 1);
    const logits = tensor(data, { shape: [B, T, 2], requiresGrad: true });
    const loss = sequenceLoss(logits, labels, full([B, T], 1));
    let [total, wrong] = [0, 0];
    const [dlogits] = grad(loss, [logits]);
    const gradient = dlogits.data;
    labels.forEach((label, i) => {
      const off = data[2 * i + 1 - label]! - data[2 * i + label]!;
      total += Math.log1p(Math.exp(off));
      const want = 1 / (1 + Math.exp(-off)) / (B * T);
      wrong = Math.max(wrong, Math.abs(gradient[2 * i + 1 - label]! - want), Math.abs(gradient[2 * i + label]! + want));
    });
    expect(Math.abs(loss.item() / (total / (B * T)) - 1)).toBeLessThan(1e-6);
    expect(wrong * B * T).toBeLessThan(1e-6);
  });

  test.each([
    [0, 3],
    [3, 0],
    [0, 0],
  ])("B = %i, T = %i", (B, T) => {
    for (const targets of [zeros([B, T], { dtype: "int32" }), zeros([B, T, 4])]) {
      const shapes = Object.values(settings).map((options) => {
        const logits = zeros([B, T, 4], { requiresGrad: true });
        const weights = zeros([B, T], { requiresGrad: true });
        const loss = sequenceLoss(logits, targets, weights, options);
        const gradients = grad(loss, [logits, weights], { cotangent: full(loss.shape, 1) });
        expect([...loss.data]).toEqual(new Array(loss.size).fill(0));
        expect(gradients.map(({ shape }) => shape)).toEqual(rows([B, T, 4], [B, T]));
        return loss.shape;
      });
      expect(shapes).toEqual([[], [], [B], [T], [B], [T], [B, T]]);
    }
  });

  test("NaN where it counts is NaN", () => {
    const loss = (weights: number[][]): number =>
      sequenceLoss(double([rows([NaN, 0], [1, 0])]), [[0, 0]], weights).item();
    expect(loss([[1, 1]])).toBeNaN();
    expect(loss([[0, 1]])).toBeCloseTo(0.3132617, 7);
    expect(loss([[0, NaN]])).toBeNaN();
  });
});

describe("arguments", () => {
  const logits = tensor([rows([2, 0, 1], [0, 1, 0])]);
  const loss = (targets: TensorLike, weights: TensorLike): number => sequenceLoss(logits, targets, weights).item();

  test("may be tensors, nested arrays or typed arrays", () => {
    const want = loss(tensor([[0, 2]], { dtype: "int32" }), tensor([[1, 0.5]]));
    expect(loss([[0, 2]], [[1, 0.5]])).toBe(want);
    expect(loss(Int32Array.of(0, 2), Float64Array.of(1, 0.5))).toBe(want);
    expect(loss(Float32Array.of(0, 2), Float32Array.of(1, 0.5))).toBe(want);
    expect(loss([rows([1, 0, 0], [0, 0, 1])], [[1, 0.5]])).toBeCloseTo(want, 6);
    expect(loss([[0, 2]], [[1, 0.5]])).not.toBe(loss([[0, 2]], [[1, 1]]));
  });

  test("weights may be bool", () => {
    const want = loss([[0, 2]], [[1, 0]]);
    expect(loss([[0, 2]], tensor([[true, false]]))).toBe(want);
    expect(loss([[0, 2]], [[true, false]])).toBe(want);
    expect(loss([[0, 2]], Uint8Array.of(1, 0))).toBe(want);
    expect(loss([[0, -100]], tensor([[true, false]]))).toBe(want);
  });

  test("a flag that is undefined has its default", () => {
    const options = { averageAcrossBatch: undefined } as unknown as SequenceLossOptions;
    expect(sequenceLoss(logits, [[0, 2]], [[1, 1]], options).item()).toBe(loss([[0, 2]], [[1, 1]]));
  });

  test("are not changed", () => {
    const [targets, weights] = [[[0, -1]], [[1, 0]]];
    loss(targets, weights);
    expect([targets, weights]).toEqual([[[0, -1]], [[1, 0]]]);
  });
});

describe("softmaxLossFunction", () => {
  const logits = tensor([rows([2, 0, 1], [0, 1, 0]), rows([1, 1, 1], [0, 0, 5])]);

  test("is called once, with rows and labels in order", () => {
    const calls: Record<string, unknown>[] = [];
    const softmaxLossFunction = (rows: { labels: Tensor; logits: Tensor }): Tensor => {
      calls.push({ keys: Object.keys(rows), labels: String(rows.labels), logits: String(rows.logits) });
      return tensor([10, 20, 30, 40]);
    };
    const options = { ...settings.none, softmaxLossFunction };
    const terms = sequenceLoss(logits, rows([0, 1], [2, 0]), rows([1, 2], [0.5, 1]), options);
    expect(terms.toArray()).toEqual(rows([10, 40], [15, 40]));
    expect(calls).toEqual([
      {
        keys: ["labels", "logits"],
        labels: "int32[4] [0, 1, 2, 0]",
        logits: "float32[4,3] [[2, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 5]]",
      },
    ]);
  });

  test("may give anything at rows that are not read", () => {
    const weights = tensor(rows([1, 0], [0, 1]), { requiresGrad: true });
    const x = tensor([rows([2, 0, 1], [NaN, 1, 0]), rows([1, Infinity, 1], [0, 0, 5])], { requiresGrad: true });
    const softmaxLossFunction = ({ logits }: { logits: Tensor }): Tensor =>
      mul(sum(logits, { axis: 1 }), tensor([1, NaN, Infinity, 1]));
    const { value, grads } = evaluate(
      sequenceLoss(x, rows([0, 0], [0, 0]), weights, { softmaxLossFunction }),
      [x, weights],
      full([], 1),
    );
    expect([...value]).toEqual([4]);
    expect([...grads[0]!].map((g) => g + 0)).toEqual([0.5, 0.5, 0.5, 0, 0, 0, 0, 0, 0, 0.5, 0.5, 0.5]);
    expect([...grads[1]!].map((g) => g + 0)).toEqual([-0.5, 0, 0, 0.5]);
  });
});

describe("the graph", () => {
  const logits = tensor([rows([2, 0, 1], [0, 1, 0])], { requiresGrad: true });

  test("its nodes stand under the name", () => {
    const scopes = (options: SequenceLossOptions): Set<string> => {
      const found = new Set<string>();
      let nodes = [sequenceLoss(logits, [[0, 1]], [[1, 1]], options).node];
      while (nodes.length > 0) {
        for (const node of nodes) if (node && node.op !== "leaf") found.add(node.scope);
        nodes = nodes.flatMap((node) => node?.parents ?? []);
      }
      return found;
    };
    expect([...scopes({})]).toEqual(["sequence_loss"]);
    expect([...scopes({ name: "my_loss" })]).toEqual(["my_loss"]);
    expect([...nameScope("outer", () => scopes({}))]).toEqual(["outer/sequence_loss"]);
  });

  test("there is none without a gradient, and no gradient in labels or bool weights", () => {
    expect(noGrad(() => sequenceLoss(logits, [[0, 1]], [[1, 1]])).requiresGrad).toBe(false);
    expect(sequenceLoss(tensor([[[2, 0, 1]]]), [[0]], [[1]]).requiresGrad).toBe(false);
    expect(sequenceLoss(tensor([[[2, 0, 1]]]), [[0]], tensor([[true]])).requiresGrad).toBe(false);
  });

  test("the number of weights that are not 0 is a constant", () => {
    const weights = tensor([[0.5, 2]], { requiresGrad: true });
    const ops: string[] = [];
    const loss = observe(
      () => sequenceLoss(tensor([rows([2, 0, 1], [0, 1, 0])]), [[0, 1]], weights, settings["sum both"]),
      {
        value: (op, id) => void (id > 0 && ops.push(op)),
      },
    );
    expect(ops).not.toContain("notEqual");
    expectClose(grad(loss, [weights])[0].data, [0.40760597 / 2, 0.55144471 / 2], 1e-7, "dweights");
  });

  test("of parameters inside a loss function of one's own", () => {
    const temperature = tensor(2, { requiresGrad: true });
    const softmaxLossFunction: NonNullable<SequenceLossOptions["softmaxLossFunction"]> = ({ labels, logits }) =>
      lossFunctions.labelSmoothedCE(0)({ labels, logits: mul(logits, temperature) });
    const loss = sequenceLoss(logits, [[0, -1]], [[1, 0]], { softmaxLossFunction });
    const [dt] = grad(loss, [temperature]); // Σ p·x − x[0]
    const [p0, p2] = [Math.exp(4), Math.exp(2)].map((e) => e / (Math.exp(4) + 1 + Math.exp(2)));
    expect(dt.item()).toBeCloseTo(2 * p0! + p2! - 2, 6);
  });

  test("can be used inside a step and returned from it", () => {
    expect(step(() => sequenceLoss(logits, [[0, 1]], [[1, 1]])).item()).toBe(
      sequenceLoss(logits, [[0, 1]], [[1, 1]]).item(),
    );
  });
});

describe("types", () => {
  const logits = tensor([[[2, 0, 1]]]);
  test("of the options", () => {
    expectTypeOf<Parameters<typeof sequenceLoss>[3]>().toEqualTypeOf<SequenceLossOptions | undefined>();
    expectTypeOf<ReturnType<typeof sequenceLoss>>().toEqualTypeOf<Tensor>();
    expectTypeOf<SequenceLossOptions["averageAcrossBatch"]>().toEqualTypeOf<boolean | undefined>();
    // Each line below is also refused by the compiler.
    const wrong: (() => unknown)[] = [
      // @ts-expect-error a flag is no number
      () => sequenceLoss(logits, [[0]], [[1]], { averageAcrossBatch: 1 }),
      // @ts-expect-error an array may not stand for the logits
      () => sequenceLoss([[[2, 0, 1]]], [[0]], [[1]]),
      // @ts-expect-error weights are not optional
      () => sequenceLoss(logits, [[0]]),
      // @ts-expect-error a loss function takes one object
      () => sequenceLoss(logits, [[0]], [[1]], { softmaxLossFunction: (_labels: Tensor, x: Tensor) => x }),
    ];
    for (const call of wrong) expect(call).toThrow("sequenceLoss: ");
    // @ts-expect-error no such option
    sequenceLoss(logits, [[0]], [[1]], { averageAcrossTime: true });
    // @ts-expect-error undefined is not the same as left out
    sequenceLoss(logits, [[0]], [[1]], { name: undefined });
  });
});

describe("errors", () => {
  const x = zeros([2, 3, 5]);
  const y = zeros([2, 3], { dtype: "int32" });
  const w = zeros([2, 3]);
  const any = (value: unknown): never => value as never;
  const message = (...args: Parameters<typeof sequenceLoss>): string => {
    try {
      sequenceLoss(...args);
    } catch (error) {
      const { name, message, op } = error as GradusError;
      expect(op).toBe("sequenceLoss");
      return `${name}: ${message}`;
    }
    return expect.fail("nothing was thrown");
  };

  test("of ranks", () => {
    expect(message(any([[[1]]]), y, w)).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: not a tensor; got logits [[[1]]]; want a float tensor [B, T, V]"`,
    );
    expect(message(zeros([6, 5]), y, w)).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: logits of rank 2; got logits float32[6,5]; want [B, T, V]"`,
    );
    expect(message(x, zeros([6], { dtype: "int32" }), w)).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: targets of rank 1; got targets int32[6]; want labels [B, T] or distributions [B, T, V]"`,
    );
    expect(message(x, [0, 0], w)).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: targets of rank 1; got targets array[2]; want labels [B, T] or distributions [B, T, V]"`,
    );
    expect(message(x, Int32Array.of(1, 2, 3, 4, 5), w)).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: targets of rank 1; got targets array[5]; want labels [B, T] or distributions [B, T, V]"`,
    );
    expect(message(x, zeros([2, 3, 5, 1]), w)).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: targets of rank 4; got targets float32[2,3,5,1]; want labels [B, T] or distributions [B, T, V]"`,
    );
    expect(message(x, y, zeros([6]))).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: weights of rank 1; got weights float32[6]; want [B, T]"`,
    );
    expect(message(x, y, 1)).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: weights of rank 0; got weights array[]; want [B, T]"`,
    );
    expect(message(x, rows([0, 1, 2], [0, 1]), w)).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: ragged nested arrays: targets[1] is of length 2; want a full array of shape [2,3]"`,
    );
    expect(message(x, y, any("ones"))).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: not a number; got weights ones; want numbers in nested arrays"`,
    );
    expect(message(x, any(undefined), w)).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: not a number; got targets undefined; want numbers in nested arrays"`,
    );
  });

  test("of flags", () => {
    expect(message(x, y, w, any({ sumOverTimesteps: true }))).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: an average and a sum over one axis; got averageAcrossTimesteps true (its default), sumOverTimesteps true; want one of them: averageAcrossTimesteps: false to sum"`,
    );
    expect(message(x, y, w, any({ averageAcrossTimesteps: true, sumOverTimesteps: true }))).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: an average and a sum over one axis; got averageAcrossTimesteps true, sumOverTimesteps true; want one of them: averageAcrossTimesteps: false to sum"`,
    );
    expect(message(x, y, w, any({ sumOverBatch: true }))).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: an average and a sum over one axis; got averageAcrossBatch true (its default), sumOverBatch true; want one of them: averageAcrossBatch: false to sum"`,
    );
    expect(message(x, y, w, any({ averageAcrossTimesteps: false, sumOverTimesteps: true }))).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: an average over one axis and a sum over the other; got averageAcrossBatch true (its default), sumOverTimesteps true; want two averages, two sums, or one axis alone: averageAcrossBatch: false"`,
    );
    expect(message(x, y, w, any({ averageAcrossBatch: false, sumOverBatch: true }))).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: an average over one axis and a sum over the other; got averageAcrossTimesteps true (its default), sumOverBatch true; want two averages, two sums, or one axis alone: averageAcrossTimesteps: false"`,
    );
    expect(message(x, y, w, { averageAcrossTimesteps: any(1) })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: not a flag; got averageAcrossTimesteps 1; want true or false"`,
    );
    expect(message(x, y, w, { averageAcrossBatch: any(null) })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: not a flag; got averageAcrossBatch null; want true or false"`,
    );
    expect(message(x, y, w, { sumOverTimesteps: any("yes") })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: not a flag; got sumOverTimesteps yes; want true or false"`,
    );
    expect(message(x, y, w, { sumOverBatch: any(0) })).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: not a flag; got sumOverBatch 0; want true or false"`,
    );
  });

  test("every combination of flags but the seven is refused", () => {
    const all = Array.from({ length: 16 }, (_, i) => [8, 4, 2, 1].map((bit) => (i & bit) > 0));
    const accepted = all.filter(([averageAcrossTimesteps, averageAcrossBatch, sumOverTimesteps, sumOverBatch]) => {
      const options = {
        averageAcrossTimesteps,
        averageAcrossBatch,
        sumOverTimesteps,
        sumOverBatch,
      } as SequenceLossOptions;
      try {
        sequenceLoss(x, y, w, options);
        return true;
      } catch (error) {
        expect((error as GradusError).name).toBe("ValueError");
        return false;
      }
    });
    expect(accepted.map((flags) => flags.map(Number).join("")).sort()).toEqual([
      "0000",
      "0001",
      "0010",
      "0011",
      "0100",
      "1000",
      "1100",
    ]);
  });

  test("of shapes", () => {
    expect(message(x, zeros([3, 2], { dtype: "int32" }), w)).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: targets do not fit logits; got targets int32[3,2], logits float32[2,3,5]; want [2,3]"`,
    );
    expect(message(x, zeros([2, 3, 4]), w)).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: targets do not fit logits; got targets float32[2,3,4], logits float32[2,3,5]; want [2,3,5]"`,
    );
    expect(message(x, y, zeros([2, 4]))).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: weights do not fit logits; got weights float32[2,4], logits float32[2,3,5]; want [2,3]"`,
    );
    expect(message(x, y, [[1, 1, 1]])).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: weights do not fit logits; got weights array[1,3], logits float32[2,3,5]; want [2,3]"`,
    );
    expect(message(zeros([2, 3, 0]), y, w)).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: no classes; got logits float32[2,3,0]; want [B, T, V] with V of 1 or more"`,
    );
  });

  test("of dtypes", () => {
    expect(message(zeros([2, 3, 5], { dtype: "int32" }), y, w)).toMatchInlineSnapshot(
      `"DTypeError: sequenceLoss: logits must be floats; got logits int32[2,3,5]; want float32 or float64"`,
    );
    expect(message(x, zeros([2, 3]), w)).toMatchInlineSnapshot(
      `"DTypeError: sequenceLoss: labels that are no integers; got targets float32[2,3], logits float32[2,3,5]; want int32"`,
    );
    expect(message(x, rows([0, 1, 2], [0, 1, 2.5]), w)).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: not a value of dtype int32; got targets[1][2] 2.5; want 32-bit integers"`,
    );
    expect(message(x, zeros([2, 3, 5], { dtype: "float64" }), w)).toMatchInlineSnapshot(
      `"DTypeError: sequenceLoss: distributions of another dtype than the logits; got targets float64[2,3,5], logits float32[2,3,5]; want float32"`,
    );
    expect(message(x, zeros([2, 3, 5], { dtype: "int32" }), w)).toMatchInlineSnapshot(
      `"DTypeError: sequenceLoss: distributions of another dtype than the logits; got targets int32[2,3,5], logits float32[2,3,5]; want float32"`,
    );
    expect(message(x, y, zeros([2, 3], { dtype: "int32" }))).toMatchInlineSnapshot(
      `"DTypeError: sequenceLoss: weights neither bool nor of the logits' dtype; got weights int32[2,3], logits float32[2,3,5]; want bool or float32"`,
    );
    expect(message(x, y, zeros([2, 3], { dtype: "float64" }))).toMatchInlineSnapshot(
      `"DTypeError: sequenceLoss: weights neither bool nor of the logits' dtype; got weights float64[2,3], logits float32[2,3,5]; want bool or float32"`,
    );
  });

  test("of labels", () => {
    const ones = full([2, 3], 1);
    expect(message(x, rows([0, 1, 2], [3, 5, 4]), ones)).toMatchInlineSnapshot(
      `"IndexError: sequenceLoss: label out of range; got targets[1][1] 5, logits float32[2,3,5]; want 0 to 4, as V is 5, or weight 0 there"`,
    );
    expect(message(x, rows([0, 1, -1], [3, 4, 4]), ones)).toMatchInlineSnapshot(
      `"IndexError: sequenceLoss: label out of range; got targets[0][2] -1, logits float32[2,3,5]; want 0 to 4, as V is 5, or weight 0 there"`,
    );
    expect(message(x, rows([9, 1, -1], [3, 4, 4]), rows([0, 0, -0.5], [1, 1, 1]))).toMatchInlineSnapshot(
      `"IndexError: sequenceLoss: label out of range; got targets[0][2] -1, logits float32[2,3,5]; want 0 to 4, as V is 5, or weight 0 there"`,
    );
  });

  test("of loss functions", () => {
    const ones = full([2, 3], 1);
    const own = (softmaxLossFunction: unknown): string =>
      message(x, y, ones, { softmaxLossFunction: any(softmaxLossFunction) });
    expect(own("mse")).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: not a function; got softmaxLossFunction mse; want ({ labels, logits }) => Tensor"`,
    );
    expect(own(({ logits }: { logits: Tensor }) => logits)).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: softmaxLossFunction returned another shape; got result float32[6,5]; want float32[6], one loss a row"`,
    );
    expect(own(() => zeros([]))).toMatchInlineSnapshot(
      `"ShapeError: sequenceLoss: softmaxLossFunction returned another shape; got result float32[]; want float32[6], one loss a row"`,
    );
    expect(own(() => zeros([6], { dtype: "float64" }))).toMatchInlineSnapshot(
      `"DTypeError: sequenceLoss: softmaxLossFunction returned another dtype; got result float64[6]; want float32[6], one loss a row"`,
    );
    expect(own(() => 0)).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: softmaxLossFunction returned no tensor; got result 0; want float32[6], one loss a row"`,
    );
    expect(own(() => Promise.resolve(zeros([6])))).toMatchInlineSnapshot(
      `"ValueError: sequenceLoss: softmaxLossFunction returned no tensor; got result Promise; want float32[6], one loss a row"`,
    );
    const failing = { softmaxLossFunction: () => expect.fail("its own") };
    expect(() => sequenceLoss(x, y, ones, failing)).toThrow("its own");
  });

  test("come in their order", () => {
    // Everything is wrong; each line puts the first thing right.
    const bad = { averageAcrossTimesteps: any(1), averageAcrossBatch: any(1) } as SequenceLossOptions;
    const order: Parameters<typeof sequenceLoss>[] = [
      [zeros([5], { dtype: "int32" }), zeros([1]), zeros([1], { dtype: "int32" }), bad],
      [zeros([2, 3, 5], { dtype: "int32" }), zeros([1]), zeros([1], { dtype: "int32" }), bad],
      [zeros([2, 3, 5], { dtype: "int32" }), zeros([3, 2]), zeros([1], { dtype: "int32" }), bad],
      [zeros([2, 3, 5], { dtype: "int32" }), zeros([3, 2]), zeros([3, 2], { dtype: "int32" }), bad],
      [
        zeros([2, 3, 5], { dtype: "int32" }),
        zeros([3, 2]),
        zeros([3, 2], { dtype: "int32" }),
        { averageAcrossBatch: any(1) },
      ],
      [
        zeros([2, 3, 5], { dtype: "int32" }),
        zeros([3, 2]),
        zeros([3, 2], { dtype: "int32" }),
        any({ averageAcrossBatch: false, sumOverBatch: true }),
      ],
      [zeros([2, 3, 5], { dtype: "int32" }), zeros([3, 2]), zeros([3, 2], { dtype: "int32" })],
      [zeros([2, 3, 5], { dtype: "int32" }), zeros([2, 3]), zeros([3, 2], { dtype: "int32" })],
      [zeros([2, 3, 5], { dtype: "int32" }), zeros([2, 3]), zeros([2, 3], { dtype: "int32" })],
      [x, zeros([2, 3]), zeros([2, 3], { dtype: "int32" })],
      [x, rows([9, 0, 0], [0, 0, 0]), zeros([2, 3], { dtype: "int32" })],
      [x, rows([9, 0, 0], [0, 0, 0]), full([2, 3], 1)],
    ];
    const problems = order.map((args) => message(...args).split("; want")[0]);
    expect(problems).toMatchInlineSnapshot(`
      [
        "ShapeError: sequenceLoss: logits of rank 1; got logits int32[5]",
        "ShapeError: sequenceLoss: targets of rank 1; got targets float32[1]",
        "ShapeError: sequenceLoss: weights of rank 1; got weights int32[1]",
        "ValueError: sequenceLoss: not a flag; got averageAcrossTimesteps 1",
        "ValueError: sequenceLoss: not a flag; got averageAcrossBatch 1",
        "ValueError: sequenceLoss: an average over one axis and a sum over the other; got averageAcrossTimesteps true (its default), sumOverBatch true",
        "ShapeError: sequenceLoss: targets do not fit logits; got targets float32[3,2], logits int32[2,3,5]",
        "ShapeError: sequenceLoss: weights do not fit logits; got weights int32[3,2], logits int32[2,3,5]",
        "DTypeError: sequenceLoss: logits must be floats; got logits int32[2,3,5]",
        "DTypeError: sequenceLoss: labels that are no integers; got targets float32[2,3], logits float32[2,3,5]",
        "DTypeError: sequenceLoss: weights neither bool nor of the logits' dtype; got weights int32[2,3], logits float32[2,3,5]",
        "IndexError: sequenceLoss: label out of range; got targets[0][0] 9, logits float32[2,3,5]",
      ]
    `);
    expect(sequenceLoss(x, y, full([2, 3], 1)).item()).toBeCloseTo(Math.log(5), 6);
  });

  test("a tensor of a step that has ended is named", () => {
    let gone: Tensor | undefined;
    step(() => void (gone = zeros([2, 3, 5])));
    expect(() => sequenceLoss(gone!, y, full([2, 3], 1))).toThrow("was made inside a step() that has ended");
  });
});
