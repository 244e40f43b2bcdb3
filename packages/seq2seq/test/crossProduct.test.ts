import { grad, hvp, tensor, type Tensor } from "@gradus/core";
import { mul, sum } from "@gradus/ops";
import { sequenceLoss, type RowLossOptions } from "@gradus/seq2seq";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kinds, problem, stream } from "./arbitraries.ts";
import { expectClose, lossFunctions, settings } from "./helpers.ts";
import { crossEntropy, naive, smoothedCrossEntropy, squaredError } from "./naive.ts";
import type { Flags, Problem, RowLoss } from "./naive.ts";
import { differences, runsPerCell, seed, tolerance } from "./settings.ts";

const smoothed = { labelSmoothing: 0.1, zLoss: 0.02 };
/** What each row's loss is: the options that ask for it, and the oracle's own. */
const rowLosses: Readonly<Record<string, { readonly options: RowLossOptions; readonly row: RowLoss }>> = {
  "cross-entropy": { options: {}, row: crossEntropy },
  smoothed: { options: smoothed, row: smoothedCrossEntropy(smoothed) },
  "one's own": { options: { softmaxLossFunction: lossFunctions.squaredError() }, row: squaredError },
};
const cells = Object.keys(settings).flatMap((flags) =>
  kinds.flatMap((kind) =>
    [false, true].flatMap((soft) => Object.keys(rowLosses).map((loss) => ({ flags, kind, soft, loss }))),
  ),
);

/** Relative to what is large: a sum of weights near 0 makes everything large. */
const scale = (wanted: number): number => Math.max(1, Math.abs(wanted));

/** A problem and numbers in [−1, 1) for a cotangent and a direction of its logits. */
interface Drawn {
  readonly p: Problem;
  readonly u: readonly number[];
  readonly along: readonly number[];
}

const drawn = (options: Parameters<typeof problem>[0]): fc.Arbitrary<Drawn> =>
  fc.tuple(problem(options), fc.nat()).map(([p, seed]) => {
    const random = stream(seed);
    const many = (size: number): number[] => Array.from({ length: size }, () => 2 * random() - 1);
    return { p, u: many(p.B * p.T), along: many(p.logits.length) };
  });

describe("the loss is what the table says, with its gradients and the products of its Hessian", () => {
  expect(cells.length).toBe(7 * 7 * 2 * 3);
  test.each(cells)("$flags, weights: $kind, soft: $soft, $loss", ({ flags, kind, soft, loss }) => {
    const { options, row } = rowLosses[loss]!;
    const check = ({ p, u, along }: Drawn): void => {
      const float = (data: readonly number[], shape: number[], requiresGrad = false): Tensor =>
        tensor([...data], { shape, dtype: "float64", requiresGrad });
      const [places, all] = [
        [p.B, p.T],
        [p.B, p.T, p.V],
      ];
      const logits = float(p.logits, all, true);
      const targets = p.soft ? float(p.soft, all, true) : tensor([...p.labels!], { shape: places, dtype: "int32" });
      const weights = float(p.weights, places, true);
      const run = (x: Tensor): Tensor => sequenceLoss(x, targets, weights, { ...settings[flags], ...options });
      const out = run(logits);
      const cotangent = float(u.slice(0, out.size), [...out.shape]);
      const want = naive(p, settings[flags] as Flags, row, u, along);

      expect(out.shape).toEqual(want.shape);
      expectClose(out.data, want.value, tolerance, "value", scale);
      for (const createGraph of [false, true]) {
        const inputs = soft ? [logits, weights, targets] : [logits, weights];
        const [dlogits, dweights, dtargets] = grad(out, inputs, { cotangent, createGraph });
        expectClose(dlogits!.data, want.logits, tolerance, "gradient in logits", scale);
        expectClose(dweights!.data, want.weights, tolerance, "gradient in weights", scale);
        if (soft) expectClose(dtargets!.data, want.soft, tolerance, "gradient in soft targets", scale);
      }
      const product = hvp((x: Tensor) => sum(mul(run(x), cotangent)), logits, float(along, all));
      expectClose(product.data, want.product, tolerance, "Hessian in logits times a direction", scale);
    };
    fc.assert(fc.property(drawn({ kind, soft }), check), { seed, numRuns: runsPerCell });
  });
});

describe("the oracle's derivatives are slopes of what they are derivatives of", () => {
  const step = 1e-5;
  test.each(cells.filter(({ kind }) => kind === "fractional" || kind === "mask"))(
    "$flags, weights: $kind, soft: $soft, $loss",
    ({ flags, kind, soft, loss }) => {
      const { row } = rowLosses[loss]!;
      const check = ({ p, u, along }: Drawn): void => {
        const answer = (q: Problem) => naive(q, settings[flags] as Flags, row, u, along);
        const total = (q: Problem): number => answer(q).value.reduce((sum, v, i) => sum + u[i]! * v, 0);
        const slopes = (name: "logits" | "weights" | "soft"): number[] =>
          p[name]!.map((_, i) => {
            const moved = (by: number): Problem => ({ ...p, [name]: p[name]!.map((x, j) => (j === i ? x + by : x)) });
            return (total(moved(step)) - total(moved(-step))) / (2 * step);
          });
        const want = answer(p);
        expectClose(slopes("logits"), want.logits, differences, "slope in logits", scale);
        if (soft) expectClose(slopes("soft"), want.soft, differences, "slope in soft targets", scale);
        // At w = 0 the count jumps, and the contract takes it as a constant.
        if (kind === "fractional") expectClose(slopes("weights"), want.weights, differences, "slope in weights", scale);
        const [above, below] = [step, -step].map((by) =>
          answer({ ...p, logits: p.logits.map((x, i) => x + by * along[i]!) }),
        );
        const curve = above!.logits.map((g, i) => (g - below!.logits[i]!) / (2 * step));
        expectClose(curve, want.product, differences, "slope of the gradient", scale);
      };
      fc.assert(fc.property(drawn({ kind, soft, largest: 3 }), check), { seed, numRuns: runsPerCell });
    },
  );
});
