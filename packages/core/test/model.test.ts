// A small recurrent model of the ops package, through the whole engine: every place, order and form must agree.
import { configure } from "@gradus/kernels";
import { gather, logSoftmax, matmul, mean, mul, neg, reshape, slice, tanh, where, exp } from "@gradus/ops";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { add, broadcastTo, grad, hvp, step, tensor, valueAndGrad, type Tensor } from "../src/index.ts";
import { expectBits, expectNear, generator, homes, leaf, numbers, randomLeaf, seed, watchMemory } from "./support.ts";

watchMemory();

const random = generator();
const params = {
  w: randomLeaf([5, 6], random),
  u: randomLeaf([6, 6], random),
  b: randomLeaf([6], random),
  x: randomLeaf([8, 5], random),
};
type Params = typeof params;
type Name = keyof Params;
const names = Object.keys(params) as Name[];
const condition = tensor([true, false, true, true, false, true]);

function model(p: Params): Tensor {
  let h: Tensor = broadcastTo(p.b, [2, 6]);
  for (let t = 0; t < 4; t++) {
    const x = slice(p.x, { axis: 0, start: 2 * t, end: 2 * t + 2 });
    h = tanh(add(add(matmul(x, p.w), matmul(h, p.u)), h));
    h = where(condition, h, mul(exp(h), 0.3));
    h = reshape(reshape(h, [12]), [2, 6]);
  }
  const logits = gather(logSoftmax(h), [[0], [3]], { axis: -1 });
  return neg(mean(mul(logits, tensor([[0.3], [0.7]], { dtype: "float64" }))));
}

/** The parameters, moved by `shift` along a direction in one of them. */
function moved(name: Name, direction: readonly number[], shift: number): Params {
  const values = numbers(params[name]).map((x, i) => x + shift * direction[i]!);
  return { ...params, [name]: tensor(values, { shape: params[name].shape, dtype: "float64", requiresGrad: true }) };
}
const directions = Object.fromEntries(
  names.map((name) => [name, numbers(params[name]).map(() => 2 * random() - 1)]),
) as Record<Name, number[]>;

describe.each([true, false])(`a recurrent model, WebAssembly: %s, seed ${seed}`, (wasm) => {
  beforeAll(() => configure({ wasm }));
  afterAll(() => configure({ wasm: true }));

  it("has the same bits in every place", () => {
    const results = homes.map(([, run]) => run(() => valueAndGrad(model)(params)));
    for (const { value, grads } of results) {
      expectBits(value, results[0]!.value);
      for (const name of names) expectBits(grads[name], results[0]!.grads[name]);
    }
  });

  it.each(names)("agrees with differences of its values in %s", (name) => {
    const direction = directions[name];
    const [up, down] = [1e-6, -1e-6].map((shift) => model(moved(name, direction, shift)).item()) as [number, number];
    const slope = numbers(valueAndGrad(model)(params).grads[name]);
    const along = slope.reduce((sum, g, i) => sum + g * direction[i]!, 0);
    expect(Math.abs(along - (up - down) / 2e-6)).toBeLessThan(1e-7);
  });

  it("has the same gradients from rules on tensors and rules on arrays", () => {
    const inputs = names.map((name) => params[name]);
    const plain = grad(model(params), inputs);
    const recorded = grad(model(params), inputs, { createGraph: true });
    plain.forEach((gradient, i) => {
      expectNear(recorded[i]!, gradient.data);
      expect([gradient.requiresGrad, recorded[i]!.requiresGrad]).toEqual([false, true]);
    });
  });

  it.each(names)("has Hessian-vector products that agree with differences of its gradients in %s", (name) => {
    const direction = directions[name];
    const f = (p: Tensor): Tensor => model({ ...params, [name]: p });
    const vector = tensor(direction, { shape: params[name].shape, dtype: "float64" });
    const products = homes.map(([, run]) => run(() => hvp(f, params[name], vector)));
    for (const product of products) expectBits(product, products[0]!);
    const slopeAt = (shift: number): number[] => {
      const p = moved(name, direction, shift)[name];
      return numbers(grad(f(p), [p])[0]);
    };
    const [up, down] = [slopeAt(1e-5), slopeAt(-1e-5)];
    expectNear(
      products[0]!,
      up.map((value, i) => (value - down[i]!) / 2e-5),
      1e-6, // differences of third derivatives
    );
  });
});

it("with and without WebAssembly the gradients agree to the last places", () => {
  const slopes = [true, false].map((wasm) => {
    configure({ wasm });
    return names.map((name) => numbers(step(() => valueAndGrad(model)(params).grads[name])));
  });
  configure({ wasm: true });
  slopes[1]!.forEach((want, i) => expectNear(leaf(slopes[0]![i]!), want, 1e-12));
});
