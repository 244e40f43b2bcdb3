import { grad, tensor, zeros, type GradusError, type Tensor } from "@gradus/core";
import { sequenceLoss, SequenceLoss, type ComputedFlags, type SequenceLossClassOptions } from "@gradus/seq2seq";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kinds, problem } from "./arbitraries.ts";
import { expectClose, expectSame, lossFunctions, rows, settings } from "./helpers.ts";
import { runs, seed } from "./settings.ts";

/**
 * The Addons' own test: three time steps with logits i + 0.5 and targets i, 5 symbols, batch 2; each loss is 1.60944.
 * Source: tensorflow/addons, tensorflow_addons/seq2seq/tests/loss_test.py, Apache-2.0.
 */
describe("the Addons' published numbers", () => {
  const logits = tensor([0, 1].map(() => [0, 1, 2].map((i) => new Array<number>(5).fill(i + 0.5))));
  const targets = rows([0, 1, 2], [0, 1, 2]);
  const one = 1.60944;
  const wanted: Readonly<Record<string, number[]>> = {
    "average both": [one],
    "sum both": [one],
    "average timesteps": [one, one],
    "sum timesteps": [one, one],
    "average batch": [one, one, one],
    "sum batch": [one, one, one],
    none: [one, one, one, one, one, one],
  };

  test.each(Object.keys(settings))("%s", (name) => {
    const loss = new SequenceLoss(settings[name]);
    expectClose(loss.call(targets, logits).data, wanted[name]!, 3e-6, "no weights");
    expectClose(loss.call(targets, logits, rows([1, 1, 1], [1, 1, 1])).data, wanted[name]!, 3e-6, "ones");
    const masked = loss.call(targets, logits, rows([1, 1, 0], [1, 1, 0]));
    const perStep = masked.shape.at(-1) === 3;
    expectClose(
      masked.data,
      wanted[name]!.map((x, i) => (perStep && i % 3 === 2 ? 0 : x)),
      3e-6,
      "without the last step",
    );
  });

  test("sums by default", () => {
    expectClose(new SequenceLoss().call(targets, logits).data, [one], 3e-6, "no options");
    // Of weights other than 0 and 1 the average and the sum differ.
    const halves = rows([0.5, 0.5, 0.5], [0.5, 0.5, 0]);
    expectClose(new SequenceLoss().call(targets, logits, halves).data, [one / 2], 3e-6, "halves");
    const average = new SequenceLoss({
      averageAcrossTimesteps: true,
      averageAcrossBatch: true,
      sumOverTimesteps: false,
      sumOverBatch: false,
    });
    expectClose(average.call(targets, logits, halves).data, [one], 3e-6, "halves averaged");
    expect(new SequenceLoss({ sumOverBatch: false }).call(targets, logits).shape).toEqual([2]);
    expect(new SequenceLoss({ sumOverTimesteps: false }).call(targets, logits).shape).toEqual([3]);
  });
});

test("law: a call is sequenceLoss with the arguments in another order, to the bit", () => {
  const check = ([kind, soft, name, own]: [string, boolean, string, boolean]): void =>
    fc.assert(
      fc.property(problem({ kind, soft }), ({ B, T, V, logits: x, labels, soft: y, weights }) => {
        const logits = tensor([...x], { shape: [B, T, V], dtype: "float64", requiresGrad: true });
        const targets = y
          ? tensor([...y], { shape: [B, T, V], dtype: "float64" })
          : tensor([...labels!], { shape: [B, T], dtype: "int32" });
        const options = own
          ? { ...settings[name], softmaxLossFunction: lossFunctions.squaredError() }
          : { ...settings[name] };
        const loss = new SequenceLoss(options);
        const compare = (got: Tensor, w: Float64Array): void => {
          const want = sequenceLoss(logits, targets, w, options);
          expect(got.shape).toEqual(want.shape);
          expectSame(got.data, want.data, "value");
          const [a, b] = [got, want].map(
            (z) => grad(z, [logits], { cotangent: tensor(z.data, { shape: z.shape }) })[0],
          );
          expectSame(a!.data, b!.data, "gradient");
        };
        compare(loss.call(targets, logits, Float64Array.from(weights)), Float64Array.from(weights));
        compare(loss.call(targets, logits), new Float64Array(B * T).fill(1));
      }),
      { seed, numRuns: 1 },
    );
  const any = fc.tuple(
    fc.constantFrom(...kinds),
    fc.boolean(),
    fc.constantFrom(...Object.keys(settings)),
    fc.boolean(),
  );
  fc.assert(fc.property(any, check), { seed, numRuns: runs });
});

describe("errors", () => {
  const thrown = (call: () => unknown): string => {
    try {
      call();
    } catch (error) {
      expect((error as GradusError).op).toBe("SequenceLoss");
      return String(error);
    }
    return expect.fail("nothing was thrown");
  };
  const made = (options: unknown): string => thrown(() => new SequenceLoss(options as SequenceLossClassOptions));

  test("of options, when it is made", () => {
    expect(made({ averageAcrossTimesteps: true })).toMatchInlineSnapshot(
      `"ValueError: SequenceLoss: an average and a sum over one axis; got averageAcrossTimesteps true, sumOverTimesteps true (its default); want one of them: sumOverTimesteps: false to average"`,
    );
    expect(made({ averageAcrossBatch: true, sumOverBatch: true })).toMatchInlineSnapshot(
      `"ValueError: SequenceLoss: an average and a sum over one axis; got averageAcrossBatch true, sumOverBatch true; want one of them: sumOverBatch: false to average"`,
    );
    expect(made({ averageAcrossBatch: true, sumOverBatch: false })).toMatchInlineSnapshot(
      `"ValueError: SequenceLoss: an average over one axis and a sum over the other; got averageAcrossBatch true, sumOverTimesteps true (its default); want two averages, two sums, or one axis alone: sumOverTimesteps: false"`,
    );
    expect(made({ averageAcrossTimesteps: true, sumOverTimesteps: false })).toMatchInlineSnapshot(
      `"ValueError: SequenceLoss: an average over one axis and a sum over the other; got averageAcrossTimesteps true, sumOverBatch true (its default); want two averages, two sums, or one axis alone: sumOverBatch: false"`,
    );
    expect(made({ sumOverBatch: 1 })).toMatchInlineSnapshot(
      `"ValueError: SequenceLoss: not a flag; got sumOverBatch 1; want true or false"`,
    );
    expect(made({ softmaxLossFunction: "mse" })).toMatchInlineSnapshot(
      `"ValueError: SequenceLoss: not a function; got softmaxLossFunction mse; want ({ labels, logits }) => Tensor"`,
    );
  });

  test("every combination of flags but the seven is refused", () => {
    const all = Array.from({ length: 16 }, (_, i) => [8, 4, 2, 1].map((bit) => (i & bit) > 0));
    const accepted = all.filter(([averageAcrossTimesteps, averageAcrossBatch, sumOverTimesteps, sumOverBatch]) => {
      const flags = { averageAcrossTimesteps, averageAcrossBatch, sumOverTimesteps, sumOverBatch };
      try {
        return new SequenceLoss(flags as ComputedFlags) instanceof SequenceLoss;
      } catch (error) {
        expect((error as GradusError).name).toBe("ValueError");
        return false;
      }
    });
    expect(accepted.length).toBe(7);
  });

  test("of arguments, when it is called", () => {
    const loss = new SequenceLoss();
    const [x, y] = [zeros([2, 3, 5]), zeros([2, 3], { dtype: "int32" })];
    expect(thrown(() => loss.call(y, rows([1]) as never))).toMatchInlineSnapshot(
      `"ValueError: SequenceLoss: not a tensor; got logits [[1]]; want a float tensor [B, T, V]"`,
    );
    expect(thrown(() => loss.call(y, zeros([6, 5])))).toMatchInlineSnapshot(
      `"ShapeError: SequenceLoss: logits of rank 2; got logits float32[6,5]; want [B, T, V]"`,
    );
    expect(thrown(() => loss.call(y, zeros([])))).toMatchInlineSnapshot(
      `"ShapeError: SequenceLoss: logits of rank 0; got logits float32[]; want [B, T, V]"`,
    );
    expect(thrown(() => loss.call([0], x))).toMatchInlineSnapshot(
      `"ShapeError: SequenceLoss: targets of rank 1; got targets array[1]; want labels [B, T] or distributions [B, T, V]"`,
    );
    expect(thrown(() => loss.call(y, x, [1]))).toMatchInlineSnapshot(
      `"ShapeError: SequenceLoss: weights of rank 1; got weights array[1]; want [B, T]"`,
    );
    expect(thrown(() => loss.call(y, x, [[1]]))).toMatchInlineSnapshot(
      `"ShapeError: SequenceLoss: weights do not fit logits; got weights array[1,1], logits float32[2,3,5]; want [2,3]"`,
    );
    expect(thrown(() => loss.call(y, zeros([2, 3, 5], { dtype: "int32" })))).toMatchInlineSnapshot(
      `"DTypeError: SequenceLoss: logits must be floats; got logits int32[2,3,5]; want float32 or float64"`,
    );
    expect(thrown(() => loss.call(y, zeros([2, 3, 5], { dtype: "bool" })))).toMatchInlineSnapshot(
      `"DTypeError: SequenceLoss: logits must be floats; got logits bool[2,3,5]; want float32 or float64"`,
    );
    expect(thrown(() => loss.call(rows([0, 1, 5], [0, 0, 0]), x))).toMatchInlineSnapshot(
      `"IndexError: SequenceLoss: label out of range; got targets[0][2] 5, logits float32[2,3,5]; want 0 to 4, as V is 5, or weight 0 there"`,
    );
    expect(thrown(() => loss.call(y, x, null as never))).toMatchInlineSnapshot(
      `"ValueError: SequenceLoss: not a number; got weights null; want numbers in nested arrays"`,
    );
  });

  test("the options it was made with stay", () => {
    const options: { sumOverBatch: boolean } = { sumOverBatch: false };
    const loss = new SequenceLoss(options);
    options.sumOverBatch = true;
    expect(loss.call(zeros([2, 3], { dtype: "int32" }), zeros([2, 3, 5])).shape).toEqual([2]);
  });
});
