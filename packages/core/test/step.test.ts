import { configure, currentScope, memoryStats, type Scope, type Storage } from "@gradus/kernels";
import { inspect } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import {
  add,
  grad,
  GradError,
  hvp,
  keep,
  MemoryError,
  observe,
  step,
  stopGradient,
  sumTo,
  tensor,
  valueAndGrad,
  ValueError,
  zeros,
  type Tensor,
} from "../src/index.ts";
import { mul, mulAdd, pass, product, reshape, sum, tanh, total } from "./ops.ts";
import {
  constant,
  expectBits,
  expectError,
  expectUnshared,
  generator,
  leaf,
  numbers,
  randomLeaf,
  storageOf,
  watchMemory,
} from "./support.ts";

watchMemory();

const ENDED = "was made inside a step() that has ended; return it from the step or keep() it";
const DETACHED = "it was returned from step(), which makes it a constant";

/** A tensor of a step that has ended. */
function lost(name = ""): Tensor {
  let escaped: Tensor | null = null;
  step(() => {
    const x = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { dtype: "float64", requiresGrad: true, name },
    );
    escaped = name ? x : mul(x, 1);
  });
  return escaped!;
}

describe("a tensor that outlives its step", () => {
  const x = leaf([
    [1, 2],
    [3, 4],
  ]);
  const uses: [string, string, (h: Tensor) => unknown][] = [
    ["data", "tensor", (h) => h.data],
    ["data", "tensor", (h) => h.toArray()],
    ["add", "a", (h) => add(h, x)],
    ["add", "b", (h) => add(x, h)],
    ["add", "a", (h) => add(h, constant([[[1]]]))],
    ["add", "b", (h) => add(1, h)],
    ["sumTo", "x", (h) => sumTo(h, [2, 2])],
    ["reshape", "x", (h) => reshape(h, [4])],
    ["product", "b", (h) => product(x, h)],
    ["mulAdd", "a", (h) => mulAdd(h, x)],
    ["total", "xs[1]", (h) => total([x, h])],
    ["grad", "output", (h) => grad(h, [x])],
    ["grad", "inputs[1]", (h) => grad(sum(x), [x, h])],
    ["grad", "cotangent", (h) => grad(mul(x, x), [x], { cotangent: h })],
    ["valueAndGrad", "layers[0].w", (h) => valueAndGrad(() => sum(x))({ layers: [{ w: h }] })],
    ["hvp", "direction", (h) => hvp((p: Tensor) => sum(mul(p, p)), x, h)],
    ["stopGradient", "x", (h) => stopGradient(h)],
    ["keep", "x", (h) => keep(h)],
    ["step", "result", (h) => step(() => h)],
    ["step", "result", (h) => step(() => ({ list: [h] }))],
  ];

  it.each(uses)("is caught at its next use by %s as %s, with its shape", (op, argument, use) => {
    expectError(() => use(lost()), ValueError, `${op}: tensor "${argument}" [2,2] ${ENDED}`);
  });

  it.each(uses)("is named, where it has a name, by %s (%s)", (op, _, use) => {
    expectError(() => use(lost("h")), ValueError, `${op}: tensor "h" [2,2] ${ENDED}`);
  });

  it("is caught in a later step as well, though its block belongs to another by then", () => {
    const h = lost();
    step(() => {
      const other = mul(x, 2);
      expectError(() => add(other, h), ValueError, `add: tensor "b" [2,2] ${ENDED}`);
    });
  });

  it("prints as what it is", () => {
    expect(String(lost("h"))).toBe(`h float64[2,2] (${ENDED})`);
    expect(inspect([lost()], { breakLength: Infinity })).toBe(`[ float64[2,2] (${ENDED}) ]`);
  });

  it("takes every tensor that shares its elements with it", () => {
    let view: Tensor | null = null;
    step(() => {
      view = reshape(pass(mul(x, 1)), [4]);
    });
    expectError(() => view!.data, ValueError, `data: tensor "tensor" [4] ${ENDED}`);
  });
});

describe("what a step returns", () => {
  const x = leaf([1, 2], "x");

  it("is copied out where it was made inside, in tensors, arrays and records", () => {
    const { y, list, rest } = step(() => {
      const made = mul(x, 2);
      return { y: made, list: [add(made, 1), { deep: made }] as const, rest: ["text", 5, null, undefined] };
    });
    expect([numbers(y), numbers(list[0]), numbers(list[1].deep), rest]).toEqual([
      [2, 4],
      [3, 5],
      [2, 4],
      ["text", 5, null, undefined],
    ]);
    expectUnshared([y, list[1].deep]);
    for (const tensorOut of [y, list[0]]) expect(storageOf(tensorOut).array).toBeInstanceOf(Float64Array);
  });

  it("is the very same tensor where it was made before", () => {
    const derived = mul(x, 3);
    const back = step(() => [x, step(() => derived), { deep: x }] as const);
    expect(back[0]).toBe(x);
    expect(back[1]).toBe(derived);
    expect(back[2].deep).toBe(x);
    expect(grad(sum(back[1]), [x])).toHaveLength(1);
  });

  it("of an inner step is made before for the outer one", () => {
    step(() => {
      const outer = mul(x, 2);
      const [same, made] = step(() => [outer, mul(outer, 2)] as const);
      expect(same).toBe(outer);
      expect(storageOf(made).array).not.toBeNull();
      expect(numbers(add(same, made))).toEqual([6, 12]);
    });
  });

  it("is a constant from then on, and grad says why", () => {
    const [made, shared] = step(() => [mul(x, 2), reshape(x, [2, 1])] as const);
    for (const [y, shape] of [
      [made, "[2]"],
      [shared, "[2,1]"],
    ] as const) {
      expect(y.requiresGrad).toBe(false);
      const message =
        `grad: the output has no graph: ${DETACHED}; got output float64${shape}; ` +
        "want a tensor made with requiresGrad, or computed from one";
      expectError(() => grad(y, [x]), GradError, message);
    }
    const input = `grad: an input has no graph: ${DETACHED}; got inputs[0] float64[2]; want a tensor made with requiresGrad, or computed from one`;
    expectError(() => grad(sum(x), [made]), GradError, input);
  });

  it("keeps its name", () => {
    expect(step(() => tensor([1], { name: "w" })).name).toBe("w");
  });

  it("may be anything else as well", () => {
    const map = new Map([["a", 1]]);
    expect(step(() => map)).toBe(map);
    expect(step(() => undefined)).toBeUndefined();
  });

  it("is not looked for in maps and class instances", () => {
    const { h } = step(() => ({ h: new Map([["h", mul(x, 2)]]) }));
    expectError(() => numbers(h.get("h")!), ValueError, `data: tensor "tensor" [2] ${ENDED}`);
  });
});

describe("keep", () => {
  const x = leaf([1, 2]);

  it("gives a copy at once, which outlives all steps", () => {
    const kept: Tensor[] = [];
    step(() => {
      const y = mul(x, 2);
      step(() => kept.push(keep(mul(y, 2)), keep(y)));
      expect(numbers(add(kept[0]!, y))).toEqual([6, 12]);
    });
    expect(kept.map(numbers)).toEqual([
      [4, 8],
      [2, 4],
    ]);
    expect(kept[0]!.requiresGrad).toBe(false);
  });

  it("outside of a step gives a constant of the same data", () => {
    const y = keep(x);
    expect(storageOf(y)).toBe(storageOf(x));
    const message =
      "grad: the output has no graph: it was kept by keep(), which makes it a constant; got output float64[2]; " +
      "want a tensor made with requiresGrad, or computed from one";
    expectError(() => grad(y, [x]), GradError, message);
    const plain = constant(1);
    expect(keep(plain)).toBe(plain);
  });
});

describe("differentiation and steps", () => {
  const x = leaf([1, 2]);

  it("a graph made before a step is differentiated in it, and stays usable", () => {
    const y = sum(mulAdd(mul(x, x), tanh(x)));
    const outside = numbers(grad(y, [x])[0]);
    expect(numbers(step(() => grad(y, [x])[0]))).toEqual(outside);
    expect(numbers(step(() => grad(mul(y, 2), [x])[0]))).toEqual(outside.map((value) => 2 * value));
    expect(numbers(grad(y, [x])[0])).toEqual(outside);
  });

  it("a whole iteration gives new parameters, which the next one starts from", () => {
    let w = constant(5);
    for (let i = 0; i < 50; i++) {
      w = step(() => {
        const { grads } = valueAndGrad((p: Tensor) => mul(p, p))(w);
        return add(w, mul(grads, -0.1));
      });
    }
    expect(w.item()).toBeCloseTo(5 * 0.8 ** 50, 12);
    expect(w.requiresGrad).toBe(false);
  });

  it("the memory may grow in the middle of all this", () => {
    const large = randomLeaf([200_000], generator());
    const f = (p: Tensor): Tensor => sum(mulAdd(tanh(p), add(product(p, p), 0.5)));
    const outside = valueAndGrad(f)(large);
    configure({}); // start anew, with 4 MB
    const inside = step(() => valueAndGrad(f)(large));
    expect(memoryStats().reserved).toBeGreaterThan(10 * 2 ** 20);
    expectBits(inside.value, outside.value);
    expectBits(inside.grads, outside.grads);
  });

  it("an inner step's results are constants for the outer one's graph", () => {
    const slope = step(() => {
      const frozen = step(() => mul(x, 10));
      return grad(sum(mul(x, frozen)), [x])[0];
    });
    expect(numbers(slope)).toEqual([10, 20]);
  });

  it("a throw in a rule of a nested step, a thousand times, leaves nothing behind", () => {
    const error = new Error("in a rule");
    const fail = (): never => {
      throw error;
    };
    const round = (): void => {
      let caught: unknown;
      try {
        step(() => {
          const made = Array.from({ length: 10 }, (_, i) => mul(x, i));
          step(() => {
            const y = tanh(mul(total(made), x));
            observe(() => grad(sum(y), [x]), { cotangent: (op) => (op === "tanh" ? fail() : undefined) });
          });
        });
      } catch (thrown) {
        caught = thrown;
      }
      expect(caught).toBe(error);
    };
    round();
    const { reserved } = memoryStats();
    for (let i = 0; i < 1000; i++) round();
    expect(currentScope()).toBeNull();
    expect(memoryStats()).toMatchObject({ reserved, live: 0, blocks: 0 });
    const y = step(() => mul(x, 2));
    expect(numbers(y)).toEqual([2, 4]);
    expect(mul(x, 2).requiresGrad).toBe(true);
  });
});

describe("arguments from outside", () => {
  it("are copied into a step once, whatever it does with them", () => {
    const w = leaf([1, 2, 3, 4]);
    step(() => {
      const staged = (): Storage[] => [...stagedIn(currentScope()).keys()];
      for (let i = 0; i < 5; i++) {
        const y = mul(tanh(w), reshape(reshape(w, [2, 2]), [4]));
        grad(sum(mulAdd(y, w)), [w]);
        grad(sum(y), [w], { createGraph: true });
      }
      expect(staged().filter((storage) => storage === storageOf(w))).toHaveLength(1);
      step(() => {
        grad(sum(mul(w, w)), [w]);
        expect(staged()).not.toContain(storageOf(w));
      });
    });
  });

  it("do not take more memory the more often they are used", () => {
    const w = zeros([1000], { dtype: "float64" });
    step(() => {
      tanh(w);
      const { blocks } = memoryStats();
      for (let i = 0; i < 5; i++) step(() => void mulAdd(w, w));
      expect(memoryStats().blocks).toBe(blocks);
    });
  });

  it("made inside take their own block and no copy", () => {
    step(() => {
      const before = memoryStats().blocks;
      tensor(new Float64Array(100));
      tensor([1, 2, 3]);
      zeros([5]);
      expect(memoryStats().blocks).toBe(before + 3);
    });
  });

  function stagedIn(scope: Scope | null): Map<Storage, number> {
    return scope!.staged!;
  }
});

describe("out of memory", () => {
  afterAll(() => configure({ limit: 2 ** 32 }));

  it("names the largest tensors of the step, and leaves the next one to work", () => {
    configure({ limit: 6 * 2 ** 20 });
    const error = (): unknown =>
      step(() => {
        zeros([1000, 300]);
        zeros([500, 200], { dtype: "float64" });
        mul(zeros([3]), 1);
        return mul(zeros([1000, 999]), 2);
      });
    expect(error).toThrow(MemoryError);
    expect(error).toThrow(
      /^memory: out of tensor memory: \d MB in use by this step, 4 MB more asked for; the largest tensors: float32\[1000,300\] \(1\.2 MB\), float64\[500,200\] \(0\.8 MB\), .*; want a smaller batch, shorter sequences, or several steps$/,
    );
    expect(step(() => mul(zeros([10]), 2)).size).toBe(10);
  });
});
