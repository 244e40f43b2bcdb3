import { configure, memoryStats } from "@gradus/kernels";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { add, grad, mapTree, noGrad, step, tensor, valueAndGrad, type Tensor } from "../src/index.ts";
import { mul, mulAdd, product, reshape, stack, sum, tanh, total } from "./ops.ts";
import { generator, numbers, randomLeaf, seed, watchMemory } from "./support.ts";

watchMemory();

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const heapUsed = (): number => {
  collect();
  return process.memoryUsage().heapUsed;
};

const random = generator();
const start = { w: randomLeaf([8], random), b: randomLeaf([1], random) };

/** A small recurrent model over `length` steps, with every form of rule in it. */
function model(p: typeof start, x: Tensor, length: number): Tensor {
  let h: Tensor = p.w;
  for (let t = 0; t < length; t++) h = tanh(product(h, x));
  return sum(mulAdd(h, total([p.w, reshape(mul(x, p.b), [8])])));
}

/** One iteration: a loss, its gradients, new parameters. */
function iteration(params: typeof start, x: Tensor, length: number): typeof start {
  const { grads } = valueAndGrad(model)(params, x, length);
  const slopes = [grads.w, grads.b];
  let next = 0;
  return noGrad(() => mapTree(params, (p) => add(p, mul(slopes[next++]!, -0.01))));
}

describe.each([
  ["in a step", <R>(fn: () => R): R => step(fn)],
  ["without a step", <R>(fn: () => R): R => fn()],
])(`ten thousand iterations %s, seed ${seed}`, (_, run) => {
  beforeAll(() => configure({ poison: false })); // for speed

  const measure = (rounds: number, body: (length: number) => void): number => {
    for (let i = 0; i < 200; i++) body(1 + (i % 3)); // warm up
    const before = heapUsed();
    for (let i = 0; i < rounds; i++) body(1 + (i % 3));
    return heapUsed() - before;
  };

  it("of varied length leave heap and linear memory as they were", () => {
    const x = tensor(numbers(randomLeaf([8], random)), { dtype: "float64" });
    let params = start;
    const { reserved } = memoryStats();
    const grown = measure(5000, (length) => {
      params = run(() => iteration(params, x, length));
    });
    expect(grown).toBeLessThan(2e6);
    expect(memoryStats().reserved).toBeLessThanOrEqual(Math.max(reserved, 4 * 2 ** 20));
    expect(numbers(params.w).every(Number.isFinite)).toBe(true);
  });

  it("a forward pass without a backward one leaves nothing", () => {
    const x = randomLeaf([8], random);
    expect(measure(2000, (length) => run(() => void model(start, x, length)))).toBeLessThan(2e6);
  });

  it("a running sum of losses holds no graph", () => {
    const x = randomLeaf([8], random);
    let total = tensor(0, { dtype: "float64" });
    const grown = measure(500, (length) => {
      total = add(
        total,
        run(() => valueAndGrad(model)(start, x, length).value),
      );
    });
    expect(total.requiresGrad).toBe(false);
    expect(grown).toBeLessThan(1e6);
  });
});

describe("steps of varied length", () => {
  afterAll(() => configure({ poison: true }));

  it("need no more memory than the longest of them", () => {
    configure({ poison: false });
    const lengths = Array.from(
      { length: 80 },
      () => [2 + Math.floor(random() * 20), 500 + Math.floor(random() * 3500)] as const,
    );
    const round = ([length, width]: readonly [number, number]): number => {
      const x = randomLeaf([width], random);
      step(() => {
        let h: Tensor = x;
        for (let t = 0; t < length; t++) h = tanh(mul(h, x));
        return grad(sum(h), [x]);
      });
      return memoryStats().peak;
    };
    const peaks = lengths.map(round);
    expect(memoryStats().reserved).toBeLessThan(4 * 2 ** 20 + 1.5 * Math.max(...peaks) + 16 * 2 ** 20);
    configure({}); // start anew: the longest alone
    round(lengths[peaks.indexOf(Math.max(...peaks))]!);
    const alone = memoryStats().reserved;
    for (const length of lengths) round(length);
    expect(memoryStats().reserved).toBe(alone);
  });
});

describe("a warm step", () => {
  beforeAll(() => configure({ poison: false }));
  afterAll(() => configure({ poison: true }));

  /** Counts the typed arrays that are made, by constructor or by method, while `fn` runs. */
  function countArrays(fn: () => void): string[] {
    const made: string[] = [];
    const kinds = ["Float32Array", "Float64Array", "Int32Array", "Uint8Array"] as const;
    const methods = ["slice", "subarray", "map", "filter"] as const;
    const shared = Object.getPrototypeOf(Float32Array.prototype) as Record<string, unknown>;
    const restore: (() => void)[] = [];
    for (const kind of kinds) {
      const original = globalThis[kind];
      const counting = new Proxy(original, {
        construct: (target, args, newTarget: object) => {
          made.push(kind);
          return Reflect.construct(target, args, newTarget as never) as object;
        },
      });
      globalThis[kind] = counting as never;
      restore.push(() => (globalThis[kind] = original as never));
    }
    for (const method of methods) {
      const original = shared[method] as (...args: unknown[]) => unknown;
      shared[method] = function counted(this: unknown, ...args: unknown[]): unknown {
        made.push(method);
        return original.apply(this, args);
      };
      restore.push(() => (shared[method] = original));
    }
    try {
      fn();
    } finally {
      for (const put of restore) put();
    }
    return made;
  }

  const x = randomLeaf([8], random);
  it("makes no typed array but those that it returns", () => {
    const body = (): unknown[] => {
      const { value, grads } = valueAndGrad(model)(start, x, 5);
      const stacked = stack(grads.w, 200);
      return [value, step(() => sum(stacked)), grads.b];
    };
    step(body);
    const returned = countArrays(() => step(body));
    // One `slice` out of linear memory for each tensor returned, the inner step's included: it is one made before then.
    expect(returned).toEqual(["slice", "slice", "slice"]);
  });

  it("of which the counting notices every other array", () => {
    expect(countArrays(() => void tensor([1, 2]).data)).toEqual(["Float32Array", "slice"]);
    expect(countArrays(() => void numbers(tensor(Int32Array.of(1))))).toContain("Int32Array");
    expect(countArrays(() => void tanh(x))).toEqual(["Float64Array"]);
  });
});
