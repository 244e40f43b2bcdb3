import * as k from "@gradus/kernels";
import { describe, expect, it } from "vitest";
import {
  add,
  customGradient,
  defineFused,
  defineList,
  defineOp,
  grad,
  GradError,
  keep,
  noGrad,
  observe,
  step,
  tensor,
  valueAndGrad,
  ValueError,
  type NdArray,
  type Tensor,
} from "../src/index.ts";
import { fusedRuns, mul, mulAdd, product, reshape, sum, tanh, total } from "./ops.ts";
import {
  constant,
  expectBits,
  expectError,
  expectNear,
  expectUnshared,
  homes,
  leaf,
  numbers,
  storageOf,
  watchMemory,
} from "./support.ts";

watchMemory();

const wrong = (value: unknown): never => value as never;

describe("defineOp", () => {
  it.each(homes)("gives rules the tensors named in keeps and indices, and all shapes, %s", (_, run) => {
    run(() => {
      let seen: object = {};
      const picked = defineOp({
        name: "picked",
        inputs: ["x", "y"],
        indices: ["index"],
        keeps: ["y", "output"],
        forward: ({ x }, { factor }: { factor: number }) => k.mul(x, k.fill(x.shape, factor, x.dtype)),
        vjp: (kept, attrs) => {
          seen = { ...kept, attrs };
          return { x: (dy) => mul(dy, attrs.factor), y: (dy) => mul(reshape(dy, [1, 2]), 0) };
        },
      });
      const [x, y, index] = [leaf([1, 2]), leaf([[3, 4]]), tensor([1], { dtype: "int32" })];
      const output = picked({ x, y, index }, { factor: 5 });
      expect(numbers(grad(sum(output), [x])[0])).toEqual([5, 5]);
      const shapes = { x: [2], y: [1, 2], output: [2] };
      expect(Object.keys(seen).sort()).toEqual(["attrs", "index", "output", "shapes", "y"]);
      expect(seen).toMatchObject({ y, index, output, shapes, attrs: { factor: 5 } });
    });
  });

  it("gives `backward` arrays, and only the accumulators that are needed", () => {
    const asked: string[] = [];
    const op = defineOp({
      name: "op",
      inputs: ["a", "b"],
      keeps: ["a"],
      forward: ({ a, b }) => k.add(a, b),
      vjp: () => ({ a: (dy) => dy, b: (dy) => dy }),
      backward: ({ a, shapes }) => {
        expect([a.dtype, shapes]).toEqual(["float64", { a: [2], b: [2], output: [2] }]);
        return {
          a: (dy, into, beta) => (asked.push(`a ${beta}`), k.copyInto(into, beta, dy)),
          b: (dy, into, beta) => (asked.push(`b ${beta}`), k.copyInto(into, beta, dy)),
        };
      },
    });
    const [x, c] = [leaf([1, 2]), constant([3, 4])];
    grad(sum(op({ a: c, b: x }, {})), [x]);
    expect(asked).toEqual(["b 0"]);
    grad(sum(op({ a: x, b: x }, {})), [x]);
    expect(asked.slice(1)).toEqual(["a 0", "b 1"]);
  });

  it("leaves an op without inputs, or of constants, without a node", () => {
    const two = defineOp({
      name: "two",
      inputs: [],
      keeps: [],
      forward: () => k.wrap(Float64Array.of(2), [], "float64"),
      vjp: () => ({}),
    });
    expect(two({}, {}).requiresGrad).toBe(false);
    expect(mul(constant(1), 2).requiresGrad).toBe(false);
  });

  it.each([
    ["misses one", { a: (dy: Tensor) => dy }, "[a]"],
    ["has one too many", { a: (dy: Tensor) => dy, b: (dy: Tensor) => dy, c: (dy: Tensor) => dy }, "[a,b,c]"],
    ["has another", { a: (dy: Tensor) => dy, c: (dy: Tensor) => dy }, "[a,c]"],
  ])("refuses a rule that %s", (_, thunks, got) => {
    const rule = (): never => wrong(thunks);
    const inputs = ["a", "b"] as const;
    const common = { name: "op", inputs, keeps: [], forward: ({ a }: { a: NdArray }) => k.copy(a) } as const;
    const x = leaf([1, 2]);
    const byVjp = defineOp({ ...common, vjp: rule });
    const message = `op: its vjp does not answer for its inputs; got thunks ${got}; want one for each: a, b`;
    expectError(() => grad(sum(byVjp({ a: x, b: x }, {})), [x]), GradError, message);
    const byBackward = defineOp({ ...common, vjp: () => ({ a: (dy) => dy, b: (dy) => dy }), backward: rule });
    expectError(() => grad(sum(byBackward({ a: x, b: x }, {})), [x]), GradError, message.replace("vjp", "backward"));
  });

  it.each([
    ["another shape", () => constant(1), "gradient float64[]"],
    ["another dtype", () => tensor([1, 2]), "gradient float32[2]"],
  ])("refuses a gradient of %s, by the input's name", (_, thunk, got) => {
    const op = defineOp({
      name: "op",
      inputs: ["x"],
      keeps: [],
      forward: ({ x }) => k.copy(x),
      vjp: () => ({ x: thunk }),
    });
    const [named, inner] = [leaf([1, 2], "w"), mul(leaf([1, 2]), 1)];
    for (const createGraph of [false, true]) {
      const message = (label: string): string =>
        `op: its rule returned a gradient that does not fit "${label}"; got ${got}; want float64[2], as the input`;
      expectError(() => grad(sum(op({ x: named }, {})), [named], { createGraph }), GradError, message("w"));
      expectError(() => grad(sum(op({ x: inner }, {})), [inner], { createGraph }), GradError, message("mul"));
    }
  });

  it("refuses a gradient that is no tensor, or one of a step that has ended", () => {
    let lost: Tensor | null = null;
    step(() => {
      lost = mul(constant([1, 2]), 2);
    });
    const returning = (gradient: () => unknown): Tensor => {
      const op = defineOp({
        name: "op",
        inputs: ["x"],
        keeps: [],
        forward: ({ x }) => k.copy(x),
        vjp: () => ({ x: () => wrong(gradient()) }),
      });
      const x = leaf([1, 2]);
      return grad(sum(op({ x }, {})), [x])[0];
    };
    expectError(
      () => returning(() => undefined),
      ValueError,
      "op: not a tensor; got gradient undefined; want a tensor",
    );
    const ended = "was made inside a step() that has ended; return it from the step or keep() it";
    expectError(() => returning(() => lost), ValueError, `op: tensor "gradient" [2] ${ended}`);
  });

  it("refuses arguments that are no tensors, by name", () => {
    const op = defineOp({
      name: "op",
      inputs: ["x"],
      indices: ["index"],
      keeps: [],
      forward: ({ x }) => x,
      vjp: () => ({ x: (dy) => dy }),
    });
    const x = leaf(1);
    expectError(() => op({ x: wrong(1), index: x }, {}), ValueError, "op: not a tensor; got x 1; want a tensor");
    expectError(() => op({ x, index: wrong([1]) }, {}), ValueError, "op: not a tensor; got index [1]; want a tensor");
    expectError(() => op(wrong({ x }), {}), ValueError, "op: not a tensor; got index undefined; want a tensor");
  });

  it("a stranger's op with a loop of its own works in every place alike", () => {
    const cubeOp = defineOp({
      name: "cube",
      inputs: ["x"],
      keeps: ["x"],
      forward: ({ x }) => k.loop([x], x.shape, x.dtype, (out, a) => a.forEach((value, i) => (out[i] = value ** 3))),
      vjp: ({ x }) => ({ x: (dy) => mul(dy, mul(mul(x, x), 3)) }),
    });
    const x = leaf([1, -2]);
    for (const [, run] of homes) {
      expect(numbers(run(() => grad(sum(cubeOp({ x }, {})), [x])[0]))).toEqual([3, 12]);
      expect(numbers(run(() => cubeOp({ x }, {})))).toEqual([1, -8]);
    }
  });
});

describe.each(homes)("defineFused %s", (_, run) => {
  it("runs its kernels, and its definition only for graphs of gradients", () => {
    run(() => {
      const [a, b] = [leaf([1, 2]), leaf([3, 4])];
      fusedRuns.length = 0;
      const y = mulAdd(a, b);
      const fused = grad(sum(y), [a, b]);
      expect(fusedRuns).toEqual(["forward for a gradient", "backward"]);
      const composed = grad(sum(add(mul(a, b), a)), [a, b]);
      fused.forEach((gradient, i) => expectNear(gradient, composed[i]!.data));
    });
  });

  it("the fused kernels did run: their names are seen, and no op of the definition", () => {
    run(() => {
      const [a, b] = [leaf([1, 2]), leaf([3, 4])];
      const seen: string[] = [];
      const observer = { value: (op: string) => seen.push(op), kernel: (name: string) => seen.push(name) };
      const y = observe(() => mulAdd(a, b), observer);
      expect(seen).toEqual(["add_f64", "mul_f64", "mulAdd"]);
      seen.length = 0;
      observe(() => grad(y, [a, b], { cotangent: constant([1, 1]) }), observer);
      expect(seen.filter((name) => name.startsWith("mulNoNan"))).toHaveLength(2);
      expect(seen).not.toContain("mul");
    });
  });

  it("is told whether a gradient may be asked for, and drops what was saved if not", () => {
    run(() => {
      const [x, c] = [leaf([1, 2]), constant([3, 4])];
      for (const call of [() => mulAdd(c, c), () => noGrad(() => mulAdd(x, x))]) {
        fusedRuns.length = 0;
        const before = k.memoryStats().blocks;
        const y = call();
        expect([fusedRuns, y.requiresGrad]).toEqual([["forward"], false]);
        expect(k.memoryStats().blocks - before).toBe(k.currentScope() ? 1 : 0); // the result alone
      }
    });
  });

  it("tells which inputs need a gradient", () => {
    run(() => {
      const asked: object[] = [];
      const op = defineFused({
        name: "op",
        inputs: ["a", "b"],
        forward: ({ a }) => ({ output: k.copy(a), saved: {} }),
        backward: (kept, dy, to) => {
          asked.push([Object.keys(kept).sort(), to.a?.beta ?? null, to.b?.beta ?? null]);
          if (to.a) k.copyInto(to.a.into, to.a.beta, dy);
          if (to.b) k.copyInto(to.b.into, to.b.beta, dy);
        },
        composed: ({ a }) => a,
      });
      const [x, c] = [leaf([1, 2]), constant([3, 4])];
      const keys = ["a", "b", "output", "shapes"];
      grad(sum(op({ a: x, b: c }, {})), [x]);
      grad(sum(op({ a: c, b: x }, {})), [x]);
      grad(sum(op({ a: x, b: x }, {})), [x]); // one node in two places: two accumulators, both begun
      grad(sum(add(op({ a: x, b: c }, {}), mul(x, 2))), [x]);
      expect(asked).toEqual([
        [keys, 0, null],
        [keys, null, 0],
        [keys, 0, 0],
        [keys, 1, null],
      ]);
    });
  });

  it("keeps what was saved as it was, for the next call", () => {
    run(() => {
      const x = leaf([1, 2]);
      const y = sum(mulAdd(x, x));
      expectBits(grad(y, [x])[0], grad(y, [x])[0]);
    });
  });

  it("passes indices to its kernels and its definition", () => {
    run(() => {
      const selectOp = defineFused({
        name: "masked",
        inputs: ["x"],
        indices: ["mask"],
        forward: ({ x, mask }) => ({ output: k.mul(x, k.cast(mask, x.dtype)), saved: {} }),
        backward: ({ mask }, dy, { x }) => k.mulNoNanInto(x!.into, x!.beta, k.cast(mask, dy.dtype), dy),
        composed: ({ x, mask }) => mul(x, tensor(mask.data, { dtype: "float64" })),
      });
      const [x, mask] = [leaf([1, 2]), tensor([true, false])];
      for (const createGraph of [false, true]) {
        expect(numbers(grad(sum(selectOp({ x, mask }, {})), [x], { createGraph })[0])).toEqual([1, 0]);
      }
    });
  });
});

describe.each(homes)("defineList %s", (_, run) => {
  const weighted = defineList({
    name: "weighted",
    keeps: ["xs", "output"],
    forward: (xs, { weights }: { weights: readonly number[] }) =>
      xs.map((x, i) => k.mul(x, k.fill(x.shape, weights[i]!, x.dtype))).reduce((a, b) => k.add(a, b)),
    vjp: ({ xs, output, shapes }, { weights }) => {
      expect([xs.length, shapes.xs, shapes.output]).toEqual([weights.length, xs.map((x) => x.shape), output.shape]);
      return (dy, i) => mul(dy, weights[i]!);
    },
    backward: ({ xs }, { weights }) => {
      expect(xs.map((x) => x.dtype)).toEqual(weights.map(() => "float64"));
      return (dy, i, into, beta) => k.mulNoNanInto(into, beta, k.fill(dy.shape, weights[i]!, dy.dtype), dy);
    },
  });

  it("answers for each of the list, also for one that stands in it twice", () => {
    run(() => {
      const [x, y, c] = [leaf([1, 2]), leaf([3, 4]), constant([5, 6])];
      const z = weighted([x, c, y, x], { weights: [1, 10, 100, 1000] });
      expect(numbers(z)).toEqual([1 + 50 + 300 + 1000, 2 + 60 + 400 + 2000]);
      for (const createGraph of [false, true]) {
        const [gx, gy] = grad(z, [x, y], { cotangent: constant([1, 2]), createGraph });
        expect([numbers(gx), numbers(gy)]).toEqual([
          [1001, 2002],
          [100, 200],
        ]);
      }
    });
  });

  it("refuses an empty list, and names what is no tensor by its place", () => {
    run(() => {
      expectError(() => weighted([], { weights: [] }), ValueError, "weighted: an empty list; want at least one tensor");
      const message = "weighted: not a tensor; got xs[1] 5; want a tensor";
      expectError(() => weighted([leaf(1), wrong(5)], { weights: [1, 1] }), ValueError, message);
    });
  });

  it("keeps the list as it was, whatever happens to the array it came in", () => {
    run(() => {
      const [x, y] = [leaf([1, 2]), leaf([3, 4])];
      const list = [x, y];
      const z = weighted(list, { weights: [1, 10] });
      list.length = 0;
      const [gx, gy] = grad(sum(z), [x, y]);
      expect([numbers(gx), numbers(gy)]).toEqual([
        [1, 1],
        [10, 10],
      ]);
    });
  });
});

describe.each(homes)("customGradient %s", (_, run) => {
  it("has the value of fn and the gradient it says", () => {
    run(() => {
      const clip = customGradient((x: Tensor) => ({ value: mul(x, 2), gradient: (dy) => [mul(dy, 7)] }));
      const x = leaf([1, 2]);
      expect(numbers(clip(x))).toEqual([2, 4]);
      expect(numbers(grad(clip(x), [x], { cotangent: constant([1, 10]) })[0])).toEqual([7, 70]);
      expect(clip(constant(1)).requiresGrad).toBe(false);
    });
  });

  it("answers for several arguments with one call, constants among them", () => {
    run(() => {
      let calls = 0;
      const f = customGradient((a: Tensor, b: Tensor, c: Tensor) => ({
        value: mul(mul(a, b), c),
        gradient: (dy) => {
          calls++;
          const shared = mul(dy, c);
          return [mul(shared, b), mul(shared, a), shared];
        },
      }));
      const [a, b, c] = [leaf([2]), leaf([3]), constant([10])];
      const [ga, gb] = grad(f(a, b, c), [a, b]);
      expect([ga.item(), gb.item(), calls]).toEqual([30, 20, 1]);
    });
  });

  it("may hand out one tensor for all arguments, or dy itself: no gradient shares it", () => {
    run(() => {
      const same = customGradient((a: Tensor, b: Tensor) => ({ value: add(a, b), gradient: (dy) => [dy, dy] }));
      const [a, b, cotangent] = [leaf([1, 2]), leaf([3, 4]), constant([5, 6])];
      const gradients = grad(same(a, b), [a, b], { cotangent });
      expect(gradients.map(numbers)).toEqual([
        [5, 6],
        [5, 6],
      ]);
      expectUnshared([...gradients, cotangent, a, b]);
    });
  });

  it("gives the same again for the same cotangent, which it asks for anew", () => {
    run(() => {
      const square = customGradient((x: Tensor) => ({ value: mul(x, x), gradient: (dy) => [mul(mul(x, 2), dy)] }));
      const x = leaf([1, 2]);
      const y = square(add(x, x));
      const cotangent = constant([3, 4]);
      const first = grad(y, [x], { cotangent });
      expectBits(grad(y, [x], { cotangent })[0], first[0]);
      const [recorded] = grad(y, [x], { cotangent, createGraph: true });
      expectBits(recorded, first[0]);
      expect(numbers(grad(sum(recorded), [x])[0])).toEqual([24, 32]); // 8x·c has 8c
    });
  });

  it("is differentiated again where its gradient is written with ops", () => {
    run(() => {
      const square = customGradient((x: Tensor) => ({ value: mul(x, x), gradient: (dy) => [mul(dy, mul(x, 3))] }));
      const x = leaf(2);
      const [slope] = grad(square(x), [x], { createGraph: true });
      expect([slope.item(), grad(slope, [x])[0].item()]).toEqual([6, 3]);
    });
  });

  it("computes its value unrecorded, and carries the function's name", () => {
    run(() => {
      const inside: boolean[] = [];
      const f = customGradient(function straightThrough(x: Tensor) {
        inside.push(mul(x, 1).requiresGrad);
        return { value: tensor(x.data.map(Math.round)), gradient: (dy: Tensor) => [dy] };
      });
      const y = f(leaf([0.4, 1.6]));
      expect([inside, y.node!.op, y.node!.parents.length]).toEqual([[false], "straightThrough", 1]);
      expect(customGradient((x: Tensor) => ({ value: x, gradient: (dy) => [dy] }))(leaf(1)).node!.op).toBe(
        "customGradient",
      );
    });
  });

  it("may give an argument itself as the value, or one made before", () => {
    run(() => {
      const x = leaf([1, 2]);
      const y = customGradient((a: Tensor) => ({ value: a, gradient: (dy) => [mul(dy, 2)] }))(x);
      expect(storageOf(y)).toBe(storageOf(x));
      expect(numbers(grad(sum(y), [x])[0])).toEqual([2, 2]);
      const made = constant([7, 8]);
      const z = customGradient((a: Tensor) => ({ value: made, gradient: (dy) => [mul(dy, a)] }))(x);
      expect(numbers(grad(sum(z), [x])[0])).toEqual([1, 2]);
      expect(made.requiresGrad).toBe(false);
    });
  });

  it("refuses a wrong number of gradients, or those that do not fit", () => {
    run(() => {
      const x = leaf([1, 2]);
      const giving = (...gradients: Tensor[]): (() => Tensor) => {
        const f = customGradient((a: Tensor, b: Tensor) => ({ value: add(a, b), gradient: () => gradients }));
        return () => grad(sum(f(x, x)), [x])[0];
      };
      expectError(giving(constant([1, 2])), GradError, "customGradient: wrong number of gradients: 1; want 2");
      expectError(giving(x, x, x), GradError, "customGradient: wrong number of gradients: 3; want 2");
      const message = "its rule returned a gradient that does not fit";
      expect(giving(constant(1), constant(1))).toThrow(message);
      expectError(giving(wrong(1), x), ValueError, "customGradient: not a tensor; got gradient 1; want a tensor");
    });
  });

  it("refuses arguments that are no tensors", () => {
    run(() => {
      const f = customGradient((x: Tensor) => ({ value: x, gradient: (dy) => [dy] }));
      expectError(() => f(wrong(3)), ValueError, "customGradient: not a tensor; got arguments[0] 3; want a tensor");
    });
  });
});

describe("what rules may do", () => {
  it("differentiate functions themselves", () => {
    const x = leaf(3);
    const meta = customGradient((a: Tensor) => ({
      value: mul(a, 1),
      gradient: (dy) => [mul(dy, valueAndGrad((p: Tensor) => mul(p, mul(p, p)))(a).grads)],
    }));
    for (const [, run] of homes) expect(run(() => grad(mul(meta(x), 2), [x])[0]).item()).toBe(54);
  });

  it("open a step, and keep what they made", () => {
    const kept: Tensor[] = [];
    const op = customGradient((a: Tensor) => ({
      value: tanh(a),
      gradient: (dy) => [
        step(() => {
          kept.push(keep(mul(dy, 3)));
          return mul(dy, 2);
        }),
      ],
    }));
    const x = leaf([1, 2]);
    for (const [, run] of homes) {
      expect(numbers(run(() => grad(sum(mul(op(x), 5)), [x])[0]))).toEqual([10, 10]);
    }
    expect(kept.map(numbers)).toEqual([
      [15, 15],
      [15, 15],
      [15, 15],
    ]);
  });

  it("add up with rules of every other form, in one node", () => {
    const x = leaf([1, 2]);
    const custom = customGradient((a: Tensor) => ({ value: mul(a, a), gradient: (dy) => [mul(dy, mul(a, 2))] }));
    for (const [, run] of homes) {
      const slope = run(() => {
        const y = total([custom(x), product(x, x), mulAdd(x, x), mul(x, x), reshape(x, [2]), x]);
        return grad(sum(y), [x])[0];
      });
      expect(numbers(slope)).toEqual([11, 19]); // 4·2x + 1 + 1 + 1
    }
  });
});
