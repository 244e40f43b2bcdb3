import { step, tensor, ValueError, type Tensor } from "@gradus/core";
import { clipByGlobalNorm } from "@gradus/nn";
import { describe, expect, test } from "vitest";
import { expectClose, expectError, expectSame, goldens, random, toTensor } from "./helpers.ts";
import { sameGradient, sameValue } from "./settings.ts";

const clip = (grads: readonly (readonly number[])[], maxNorm: number): { grads: unknown; norm: number } => {
  const clipped = clipByGlobalNorm(
    grads.map((values) => tensor(values)),
    maxNorm,
  );
  return { grads: clipped.grads.map((x) => x.toArray()), norm: clipped.norm };
};

describe("clipByGlobalNorm", () => {
  test("gives the oracle's numbers", () => {
    const [given] = goldens("optimizers.json").filter(({ op }) => op === "clipByGlobalNorm");
    const { inputs, options, expected } = given!;
    const grads = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, toTensor(x)]));
    const clipped = clipByGlobalNorm(grads, options.maxNorm as number);
    expect(Math.abs(clipped.norm - Number(expected.norm!.data[0]))).toBeLessThan(sameGradient);
    expect(Object.keys(clipped.grads)).toEqual(["g0", "g1", "g2"]);
    for (const [name, x] of Object.entries(clipped.grads)) expectClose(x, toTensor(expected[name]!), sameValue, name);
  });

  test("changes nothing at or below the limit, and keeps zeros (google-deepmind/optax pull 1752)", () => {
    expect(clip([[3, 4]], 10)).toEqual({ grads: [[3, 4]], norm: 5 });
    expect(clip([[3, 4]], 5)).toEqual({ grads: [[3, 4]], norm: 5 });
    expect(clip([[0, 0], [0]], 1)).toEqual({ grads: [[0, 0], [0]], norm: 0 });
    expect(clip([[0, 0], [0]], 0)).toEqual({ grads: [[0, 0], [0]], norm: 0 });
    expect(clip([[3, 4]], 0)).toEqual({ grads: [[0, 0]], norm: 5 });
    const grads = { w: tensor([3, 4]) };
    expect(clipByGlobalNorm(grads, 5).grads.w).toBe(grads.w);
    for (const maxNorm of [-1, NaN]) {
      const message = `clipByGlobalNorm: no such limit; got maxNorm ${maxNorm}; want a number from 0`;
      expectError(() => clipByGlobalNorm(grads, maxNorm), ValueError, message);
    }
  });

  test("names the gradient that is not finite, and the element (pytorch/pytorch issue 46849)", () => {
    expectError(
      () => clip([[1, Infinity], [2]], 1),
      ValueError,
      "clipByGlobalNorm: the norm is not finite, by the gradient of [0]; got [0][1] Infinity; want finite gradients",
    );
    expect(() => clip([[1, 2], [NaN]], 1)).toThrow("by the gradient of [1]; got [1][0] NaN");
    const grads = {
      layers: [
        {
          w: tensor([
            [1, 1, 1],
            [1, 1, -Infinity],
          ]),
        },
      ],
    };
    expect(() => clipByGlobalNorm(grads, 1)).toThrow("by the gradient of layers[0].w; got layers[0].w[1][2] -Infinity");
    const huge = { w: tensor([1e200], { dtype: "float64" }) };
    expect(() => clipByGlobalNorm(huge, 1)).toThrow("by the gradient of w; got w [1]");
  });

  test("takes the norm in float64", () => {
    expect(clip([[3e30, 4e30]], 5e30)).toEqual({
      grads: [[Math.fround(3e30), Math.fround(4e30)]],
      norm: expect.closeTo(5e30, -24) as number,
    });
    const many = [tensor([4096]), ...Array.from({ length: 64 }, () => tensor([0.5]))];
    expect(clipByGlobalNorm(many, 1e9).norm).toBe(Math.sqrt(4096 ** 2 + 16));
  });

  test("gives the same bits in step()", () => {
    const grads = { a: random(1, [7, 5], "float32"), b: random(2, [3], "float32") };
    const outside = clipByGlobalNorm(grads, 0.1);
    const inside = step(() => clipByGlobalNorm(grads, 0.1));
    expect(inside.norm).toBe(outside.norm);
    expectSame(inside.grads.a, outside.grads.a);
    expectSame(inside.grads.b, outside.grads.b);
  });

  test("refuses a tensor at two places, which would count twice (torch/torch7 issue 716)", () => {
    const w: Tensor = tensor([3, 4]);
    expect(() => clipByGlobalNorm({ embed: w, out: w }, 1)).toThrow("the same tensor at embed and out");
  });
});
