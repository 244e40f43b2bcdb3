import * as k from "@gradus/kernels";
import { describe, expect, it } from "vitest";
import {
  add,
  defineFused,
  DTypeError,
  grad,
  GradError,
  hvp,
  noGrad,
  ShapeError,
  step,
  tensor,
  type Tensor,
  ValueError,
} from "../src/index.ts";
import { fusedRuns, mul, mulAdd, pass, product, reshape, stack, sub, sum, tanh, total } from "./ops.ts";
import {
  constant,
  expectBits,
  expectError,
  expectNear,
  expectUnshared,
  generator,
  homes,
  leaf,
  numbers,
  randomLeaf,
  watchMemory,
} from "./support.ts";

watchMemory();

/** d/dx ten times over, of a scalar function. */
function derivatives(f: (x: Tensor) => Tensor, at: number, order: number): number[] {
  const x = leaf(at);
  const found: number[] = [];
  let y = f(x);
  for (let i = 0; i < order; i++) {
    if (!y.requiresGrad) return [...found, ...new Array<number>(order - i).fill(0)];
    [y] = grad(y, [x], { createGraph: true, unreached: "zero" });
    found.push(y.item());
  }
  return found;
}

describe.each(homes)("gradients of gradients %s", (_, run) => {
  it.each([
    ["mul", (x: Tensor) => mul(x, mul(x, x))],
    ["rules on arrays", (x: Tensor) => product(x, product(x, x))],
    ["a shared storage", (x: Tensor) => mul(pass(x), reshape(mul(reshape(x, [1]), reshape(x, [1])), []))],
    ["a list", (x: Tensor) => total([mul(mul(x, x), x), mul(x, 0), mul(x, 0)])],
    ["a fused op, nested in itself", (x: Tensor) => sub(mulAdd(x, sub(mulAdd(x, x), x)), x)], // x·(x² + 1) − x
  ])("x³ has 3x², 6x, 6 and 0, by %s", (__, cube) => {
    expect(run(() => derivatives(cube, 2, 4))).toEqual([12, 12, 6, 0]);
  });

  it("tanh has the derivatives of the books", () => {
    const t = Math.tanh(0.3);
    const d = 1 - t * t;
    const want = [d, -2 * t * d, 2 * d * (3 * t * t - 1), 8 * t * d * (2 - 3 * t * t)];
    const got = run(() => derivatives(tanh, 0.3, 4));
    got.forEach((value, i) => expect(value).toBeCloseTo(want[i]!, 12));
  });

  it("flow through the cotangent as well", () => {
    run(() => {
      const [x, v] = [leaf([1, 2]), leaf([3, 5])];
      const [slope] = grad(mul(x, x), [x], { cotangent: v, createGraph: true });
      expect(numbers(grad(sum(slope), [v])[0])).toEqual([2, 4]);
    });
  });

  it("go through broadcasting both ways", () => {
    run(() => {
      const x = leaf([1, 2]);
      const y = sum(mul(stack(x, 3), stack(mul(x, x), 3))); // 3·Σ x³
      const [slope] = grad(y, [x], { createGraph: true });
      expectNear(slope, [9, 36]);
      expectNear(grad(sum(slope), [x])[0], [18, 36]);
    });
  });

  it("share nothing, and nothing with what they were computed from", () => {
    run(() => {
      const [a, b] = [leaf([1, 2]), leaf([3, 4])];
      const cotangent = constant([5, 6]);
      const y = add(a, b);
      const gradients = grad(y, [a, b, a, y], { cotangent, createGraph: true });
      for (const gradient of gradients) expect(numbers(gradient)).toEqual([5, 6]);
      expectUnshared([...gradients, cotangent, a, b, y]);
    });
  });

  it("go through a fused op with two inputs that are one node, by its definition", () => {
    run(() => {
      const x = leaf(2);
      fusedRuns.length = 0;
      const y = mulAdd(x, x); // x² + x
      const [slope] = grad(y, [x], { createGraph: true });
      expect(slope.item()).toBe(5);
      expect(fusedRuns).toEqual(["forward for a gradient", "composed"]);
      expect(grad(slope, [x])[0].item()).toBe(2);
    });
  });

  it("differentiate a fused op in one of its inputs only", () => {
    run(() => {
      const [a, b] = [leaf(2), leaf(3)];
      const fixed = mulAdd(a, constant(3));
      const [slope] = grad(mul(fixed, fixed), [a], { createGraph: true }); // 16a² → 32a
      expect([slope.item(), grad(slope, [a])[0].item()]).toEqual([64, 32]);
      const [inB] = grad(mulAdd(a, b), [b], { createGraph: true });
      expect(inB.item()).toBe(2);
      expect(grad(inB, [a])[0].item()).toBe(1);
    });
  });

  it("are zeros where a fused op's definition does not read an input", () => {
    run(() => {
      const firstOnly = defineFused({
        name: "firstOnly",
        inputs: ["a", "b"],
        forward: ({ a }) => ({ output: k.copy(a), saved: {} }),
        backward: (_, dy, to) => {
          if (to.a) k.copyInto(to.a.into, to.a.beta, dy);
          if (to.b) k.mulNoNanInto(to.b.into, to.b.beta, k.sub(dy, dy), dy);
        },
        composed: ({ a }) => mul(a, 1),
      });
      const [a, b] = [leaf([1, 2]), leaf([3, 4])];
      for (const createGraph of [false, true]) {
        const gradients = grad(sum(mul(firstOnly({ a, b }, {}), b)), [a, b], { createGraph });
        expect(gradients.map(numbers)).toEqual([
          [3, 4],
          [1, 2],
        ]);
      }
    });
  });

  it("agree with those that are not recorded", () => {
    run(() => {
      const random = generator();
      const [a, b] = [randomLeaf([2, 3], random), randomLeaf([2, 3], random)];
      const y = sum(mulAdd(tanh(product(a, b)), total([a, mul(a, b), pass(b)])));
      const plain = grad(y, [a, b]);
      const recorded = grad(y, [a, b], { createGraph: true });
      plain.forEach((gradient, i) => expectNear(recorded[i]!, gradient.data));
    });
  });
});

describe.each(homes)("hvp %s", (_, run) => {
  it("is the Hessian times a vector, in a tree", () => {
    run(() => {
      const params = { w: constant([1, 2]), b: constant(3) };
      const f = (p: typeof params): Tensor => sum(mul(mul(p.w, p.w), p.b)); // b·Σ w²
      const product = hvp(f, params, { w: constant([1, 0]), b: constant(10) });
      expect(numbers(product.w)).toEqual([2 * 3 * 1 + 2 * 1 * 10, 2 * 2 * 10]);
      expect(product.b.item()).toBe(2 * 1 * 1);
      expect([product.w.requiresGrad, product.b.requiresGrad]).toEqual([false, false]);
    });
  });

  it("matches the direction with the parameters by path, not by order", () => {
    run(() => {
      const params = { w: constant(2), b: constant(3) };
      const f = (p: typeof params): Tensor => mul(mul(p.w, p.w), p.b);
      const straight = hvp(f, params, { w: constant(1), b: constant(0) });
      const turned = hvp(f, params, { b: constant(0), w: constant(1) });
      expect([straight.w.item(), straight.b.item()]).toEqual([6, 4]);
      expect([turned.w.item(), turned.b.item()]).toEqual([6, 4]);
    });
  });

  it("agrees with differences of gradients", () => {
    const random = generator();
    const [x, v] = [randomLeaf([4], random), randomLeaf([4], random)];
    const f = (p: Tensor): Tensor => sum(mulAdd(tanh(mul(p, p)), product(p, tanh(p))));
    const slope = (shift: number): number[] => {
      const at = leaf(numbers(x).map((value, i) => value + shift * numbers(v)[i]!));
      return numbers(grad(f(at), [at])[0]);
    };
    const [up, down] = [slope(1e-5), slope(-1e-5)];
    const got = run(() => hvp(f, x, v));
    expectNear(
      got,
      up.map((value, i) => (value - down[i]!) / 2e-5),
      1e-8,
    );
    expectBits(got, hvp(f, x, v));
  });

  it("is zeros of the parameters' shape and dtype for linear functions, and where a parameter has no part", () => {
    run(() => {
      const c = constant([2, 3]);
      const linear = hvp((x: Tensor) => sum(mul(x, c)), constant([1, 2]), constant([1, 1]));
      expect([linear.dtype, linear.shape, numbers(linear)]).toEqual(["float64", [2], [0, 0]]);
      const params = { x: tensor([1, 2]), y: tensor([[1]]) };
      const half = hvp((p: typeof params) => sum(mul(p.x, p.x)), params, { x: tensor([1, 1]), y: tensor([[1]]) });
      expect([numbers(half.x), half.y.toArray(), half.y.dtype]).toEqual([[2, 2], [[0]], "float32"]);
    });
  });

  it("records under noGrad too", () => {
    const { item } = run(() => ({
      item: noGrad(() => hvp((x: Tensor) => mul(x, x), constant(1), constant(3))).item(),
    }));
    expect(item).toBe(6);
  });
});

describe("hvp refuses", () => {
  const f = (x: Tensor): Tensor => sum(mul(x, x));
  it("a direction of another shape, dtype or tree", () => {
    const x = constant([[1], [2]]);
    const message = "hvp: direction of another shape; got direction float64[2]; want [2,1]";
    expectError(() => hvp(f, x, constant([1, 2])), ShapeError, message);
    expectError(
      () => hvp(f, x, tensor([[1], [2]])),
      DTypeError,
      "hvp: direction of another dtype; got direction float32[2,1]; want float64",
    );
    const params = { w: x, b: x };
    const g = (p: typeof params): Tensor => f(p.w);
    const deep = "hvp: w of another shape; got w float64[]; want [2,1]";
    expectError(() => hvp(g, params, { w: constant(1), b: x }), ShapeError, deep);
    expectError(
      () => hvp(g, params, { w: x } as typeof params),
      GradError,
      "hvp: direction is not a tree like params; got direction [w]; want tensors at w, b",
    );
    expectError(
      () => hvp(g, params, { w: x, c: x } as unknown as typeof params),
      GradError,
      "hvp: direction is not a tree like params; got direction [w,c]; want tensors at w, b",
    );
  });

  it("functions that give several elements, and parameters that are no floats", () => {
    expect(() => hvp((x: Tensor) => mul(x, x), constant([1, 2]), constant([1, 2]))).toThrow("needs a cotangent");
    const index = tensor([1], { dtype: "int32" });
    const message = "hvp: a parameter that is no float; got params int32[1]; want float32 or float64";
    expectError(() => hvp(f, index, index), DTypeError, message);
  });

  it("tensors of a step that has ended", () => {
    let lost: Tensor | null = null;
    step(() => {
      lost = mul(constant([1]), 2);
    });
    const ended = "was made inside a step() that has ended; return it from the step or keep() it";
    expectError(() => hvp(f, lost!, lost!), ValueError, `hvp: tensor "params" [1] ${ended}`);
    expectError(() => hvp(f, constant([1]), lost!), ValueError, `hvp: tensor "direction" [1] ${ended}`);
  });
});
