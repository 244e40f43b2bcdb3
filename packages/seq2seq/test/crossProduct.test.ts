import { tensor, type Tensor } from "@gradus/core";
import { sequenceLoss } from "@gradus/seq2seq";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kinds, problem } from "./arbitraries.ts";
import { evaluate, expectClose, lossFunctions, settings, wave } from "./helpers.ts";
import { crossEntropy, naive, squaredError, type Flags, type Problem } from "./naive.ts";
import { differences, runsPerCell, seed, tolerance } from "./settings.ts";

const custom = lossFunctions.squaredError();
const cells = Object.keys(settings).flatMap((flags) =>
  kinds.flatMap((kind) => [false, true].flatMap((soft) => [false, true].map((own) => ({ flags, kind, soft, own })))),
);

/** Relative to what is large: a sum of weights near 0 makes everything large. */
const scale = (wanted: number): number => Math.max(1, Math.abs(wanted));

function leaves(p: Problem): { logits: Tensor; targets: Tensor; weights: Tensor } {
  const dtype = "float64";
  return {
    logits: tensor([...p.logits], { shape: [p.B, p.T, p.V], dtype, requiresGrad: true }),
    targets: p.soft
      ? tensor([...p.soft], { shape: [p.B, p.T, p.V], dtype, requiresGrad: true })
      : tensor([...p.labels!], { shape: [p.B, p.T], dtype: "int32" }),
    weights: tensor([...p.weights], { shape: [p.B, p.T], dtype, requiresGrad: true }),
  };
}

describe("the loss is what the table says, with its gradients", () => {
  expect(cells.length).toBe(7 * 7 * 2 * 2);
  test.each(cells)("$flags, weights: $kind, soft: $soft, own function: $own", ({ flags, kind, soft, own }) => {
    const flagged = settings[flags] as Flags;
    const options = own ? { ...flagged, softmaxLossFunction: custom } : flagged;
    const check = (p: Problem): void => {
      const { logits, targets, weights } = leaves(p);
      const inputs = soft ? [logits, weights, targets] : [logits, weights];
      const got = evaluate(sequenceLoss(logits, targets, weights, options), inputs);
      const want = naive(p, flagged, own ? squaredError : crossEntropy, wave(got.value.length));
      expect(got.shape).toEqual(want.shape);
      expectClose(got.value, want.value, tolerance, "value", scale);
      expectClose(got.grads[0]!, want.logits, tolerance, "gradient in logits", scale);
      expectClose(got.grads[1]!, want.weights, tolerance, "gradient in weights", scale);
      if (soft) expectClose(got.grads[2]!, want.soft, tolerance, "gradient in soft targets", scale);
    };
    fc.assert(fc.property(problem({ kind, soft }), check), { seed, numRuns: runsPerCell });
  });
});

describe("the oracle's gradients are the slopes of its values", () => {
  const step = 1e-5;
  test.each(cells.filter(({ kind }) => kind === "fractional" || kind === "mask"))(
    "$flags, weights: $kind, soft: $soft, own function: $own",
    ({ flags, kind, soft, own }) => {
      const flagged = settings[flags] as Flags;
      const row = own ? squaredError : crossEntropy;
      const check = (p: Problem): void => {
        const u = wave(p.B * p.T);
        const want = naive(p, flagged, row, u);
        const total = (q: Problem): number => naive(q, flagged, row, u).value.reduce((sum, v, i) => sum + u[i]! * v, 0);
        const slopes = (name: "logits" | "weights" | "soft"): number[] =>
          p[name]!.map((_, i) => {
            const moved = (by: number): Problem => ({ ...p, [name]: p[name]!.map((x, j) => (j === i ? x + by : x)) });
            return (total(moved(step)) - total(moved(-step))) / (2 * step);
          });
        expectClose(slopes("logits"), want.logits, differences, "slope in logits", scale);
        if (soft) expectClose(slopes("soft"), want.soft, differences, "slope in soft targets", scale);
        // At w = 0 the count jumps, and the contract takes it as a constant.
        if (kind === "fractional") expectClose(slopes("weights"), want.weights, differences, "slope in weights", scale);
      };
      fc.assert(fc.property(problem({ kind, soft, largest: 3 }), check), { seed, numRuns: runsPerCell });
    },
  );
});
