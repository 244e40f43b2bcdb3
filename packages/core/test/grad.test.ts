import { describe, expect, it } from "vitest";
import {
  add,
  defineOp,
  DTypeError,
  grad,
  GradError,
  noGrad,
  observe,
  ShapeError,
  step,
  sumTo,
  tensor,
  valueAndGrad,
  ValueError,
  type Tensor,
} from "../src/index.ts";
import { copy } from "@gradus/kernels";
import { fusedRuns, mul, mulAdd, pass, product, reshape, sub, sum, tanh, total } from "./ops.ts";
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

describe.each(homes)("grad %s", (_, run) => {
  it("multiplies the cotangent with the derivative in each input", () => {
    run(() => {
      const [a, b] = [leaf([1, 2, 3]), leaf([4, 5, 6])];
      const [ga, gb] = grad(mul(a, b), [a, b], { cotangent: constant([1, 0, -2]) });
      expect([numbers(ga), numbers(gb)]).toEqual([
        [4, 0, -12],
        [1, 0, -6],
      ]);
    });
  });

  it("of a single element, of any rank, needs no cotangent", () => {
    run(() => {
      const x = leaf([[3]]);
      expect(grad(mul(x, x), [x])[0].toArray()).toEqual([[6]]);
      expect(grad(reshape(mul(x, x), []), [x])[0].toArray()).toEqual([[6]]);
    });
  });

  it("may be called again, with the same bits, and leaves what it gave before alone", () => {
    run(() => {
      const random = generator();
      const [a, b, c] = [0, 1, 2].map(() => randomLeaf([2, 3], random)) as [Tensor, Tensor, Tensor];
      const shared = add(a, b);
      const [first, second] = [mul(shared, shared), tanh(shared)];
      const cotangent = constant(numbers(c));
      const once = grad(first, [a, b], { cotangent: reshape(cotangent, [2, 3]) });
      const before = once.map(numbers);
      const sibling = grad(second, [a], { cotangent: reshape(cotangent, [2, 3]) });
      const again = grad(first, [a, b], { cotangent: reshape(cotangent, [2, 3]) });
      once.forEach((gradient, i) => expectBits(gradient, again[i]!));
      expect(once.map(numbers)).toEqual(before);
      expectUnshared([...once, ...again, ...sibling, cotangent]);
    });
  });

  it("of an input given twice gives it twice; of the output itself gives the cotangent", () => {
    run(() => {
      const x = leaf([1, 2]);
      const y = mul(x, x);
      const cotangent = constant([3, 5]);
      const [once, output, twice] = grad(y, [x, y, x], { cotangent });
      expect([once, output, twice].map(numbers)).toEqual([
        [6, 20],
        [3, 5],
        [6, 20],
      ]);
      expectUnshared([once, output, twice, cotangent]);
    });
  });

  it("of what lies on the way to another input gives both", () => {
    run(() => {
      const x = leaf([1, 2]);
      const y = mul(x, 3);
      const z = sum(mul(y, y));
      const [gz, gy, gx] = grad(z, [z, y, x]);
      expect([gz, gy, gx].map(numbers)).toEqual([[1], [6, 12], [18, 36]]);
    });
  });

  it("of no inputs gives nothing", () => {
    expect(run(() => grad(sum(leaf([1, 2])), []))).toEqual([]);
  });

  it("records nothing unless told to, and takes no notice of noGrad around it", () => {
    run(() => {
      const x = leaf(2);
      const y = mul(x, mul(x, x));
      expect(grad(y, [x])[0].requiresGrad).toBe(false);
      noGrad(() => {
        const [slope] = grad(y, [x], { createGraph: true });
        expect(slope.requiresGrad).toBe(true);
        expect(grad(slope, [x])[0].item()).toBe(12);
      });
    });
  });

  it("adds what reaches an input along several paths", () => {
    run(() => {
      const x = leaf([1, -2]);
      const paths = add(add(x, add(x, x)), mul(x, x));
      expect(numbers(grad(paths, [x], { cotangent: constant([1, 10]) })[0])).toEqual([5, -10]);
    });
  });

  it("goes through every form of rule, with equal results", () => {
    run(() => {
      const [a, b] = [randomLeaf([3], generator(1)), randomLeaf([3], generator(2))];
      const cotangent = constant([1, -2, 3]);
      const want = grad(mul(a, add(b, 1)), [a, b], { cotangent });
      for (const y of [add(product(a, b), a), mulAdd(a, b), total([mul(a, b), a])]) {
        for (const createGraph of [false, true]) {
          const got = grad(y, [a, b], { cotangent, createGraph });
          got.forEach((gradient, i) => expectNear(gradient, want[i]!.data));
        }
      }
    });
  });

  it("broadcasts back: what was repeated is summed", () => {
    run(() => {
      const [x, y] = [leaf([[1], [2]]), leaf([10, 20, 30])];
      const [gx, gy] = grad(mul(x, y), [x, y], {
        cotangent: constant([
          [1, 2, 3],
          [4, 5, 6],
        ]),
      });
      expect([gx.toArray(), gy.toArray()]).toEqual([
        [[140], [320]],
        [9, 12, 15],
      ]);
    });
  });
});

describe("grad refuses", () => {
  const x = leaf([1, 2], "x");
  const y = mul(x, x);
  const constantError = "want a tensor made with requiresGrad, or computed from one";

  it("an output of several elements without a cotangent", () => {
    const message =
      "grad: an output of several elements needs a cotangent; got output float64[2]; " +
      "want a cotangent of shape [2], or a scalar output";
    expectError(() => grad(y, [x]), GradError, message);
    expectError(
      () => grad(reshape(y, [2, 1]), [x]),
      GradError,
      message.replace("64[2]", "64[2,1]").replace("[2],", "[2,1],"),
    );
    const none = mul(leaf([]), 1);
    expectError(() => grad(none, []), GradError, message.replaceAll("[2]", "[0]"));
  });

  it("a cotangent of another shape or dtype: nothing is broadcast or cast", () => {
    const z = mul(
      leaf(
        [
          [2, 3],
          [5, 6],
        ],
        "z",
      ),
      1,
    );
    for (const [cotangent, got] of [
      [constant([1.5]), "float64[1]"],
      [constant([1.5, 1.5]), "float64[2]"],
      [constant([[1.5], [1.5]]), "float64[2,1]"],
      [constant(1.5), "float64[]"],
    ] as const) {
      const message = `grad: cotangent of another shape; got cotangent ${got}; want [2,2]`;
      expectError(() => grad(z, [z], { cotangent }), ShapeError, message);
    }
    const message = "grad: cotangent of another dtype; got cotangent float32[2,2]; want float64";
    expectError(
      () =>
        grad(z, [z], {
          cotangent: tensor([
            [1, 1],
            [1, 1],
          ]),
        }),
      DTypeError,
      message,
    );
  });

  it("outputs and inputs without a graph, and says why they have none", () => {
    const [plain, named] = [constant(1), tensor(1, { dtype: "float64", name: "w" })];
    const z = sum(y);
    expectError(
      () => grad(plain, [x]),
      GradError,
      `grad: the output has no graph; got output float64[]; ${constantError}`,
    );
    expectError(
      () => grad(z, [x, plain]),
      GradError,
      `grad: an input has no graph; got inputs[1] float64[]; ${constantError}`,
    );
    expectError(
      () => grad(z, [named]),
      GradError,
      `grad: an input has no graph; got inputs[0] "w" float64[]; ${constantError}`,
    );
    expectError(
      () => grad(z, [tensor([1], { dtype: "int32" })]),
      GradError,
      `grad: an input has no graph; got inputs[0] int32[1]; ${constantError}`,
    );
    for (const [output, why] of [
      [step(() => sum(mul(x, x))), "it was returned from step(), which makes it a constant"],
      [valueAndGrad((p: Tensor) => sum(p))(x).value, "valueAndGrad returns its value and aux as constants"],
      [noGrad(() => sum(x)), ""],
    ] as const) {
      const message = `grad: the output has no graph${why && `: ${why}`}; got output float64[]; ${constantError}`;
      expectError(() => grad(output, [x]), GradError, message);
    }
  });

  const want =
    'want an input that the output was computed from, as an argument and not by closure, or unreached: "zero"';
  it("an input that was not reached, by name or by place", () => {
    const [other, nameless] = [leaf([[1], [2]], "other"), leaf(1)];
    expectError(
      () => grad(sum(y), [x, other]),
      GradError,
      `grad: an input was not reached from the output; got input "other" float64[2,1]; ${want}`,
    );
    expectError(
      () => grad(sum(y), [x, nameless]),
      GradError,
      `grad: an input was not reached from the output; got inputs[1] float64[]; ${want}`,
    );
  });

  it("an expression equal to one on the way, but not on it; zeros only where they are asked for", () => {
    const z = leaf(5);
    const [lookalike, on] = [mul(z, 2), mul(z, 2)];
    const output = mul(on, 4);
    expectError(
      () => grad(output, [lookalike]),
      GradError,
      `grad: an input was not reached from the output; got inputs[0] float64[]; ${want}`,
    );
    const [zero, reached] = grad(output, [lookalike, z], { unreached: "zero" });
    expect([zero.item(), reached.item(), zero.requiresGrad]).toEqual([0, 8, false]);
  });

  it("what is younger than the output, as not reached", () => {
    const z = leaf(5);
    const output = mul(z, 2);
    const younger = mul(output, 3);
    expect(() => grad(output, [younger])).toThrow("an input was not reached");
    expect(grad(output, [younger], { unreached: "zero" })[0].item()).toBe(0);
  });

  it("what is no tensor", () => {
    const none = undefined as unknown as Tensor;
    expectError(() => grad(none, [x]), ValueError, "grad: not a tensor; got output undefined; want a tensor");
    expectError(() => grad(sum(y), [none]), ValueError, "grad: not a tensor; got inputs[0] undefined; want a tensor");
    const number = 1 as unknown as Tensor;
    expectError(
      () => grad(sum(y), [x], { cotangent: number }),
      ValueError,
      "grad: not a tensor; got cotangent 1; want a tensor",
    );
  });

  it("and has changed nothing: the next call succeeds", () => {
    expect(() => grad(y, [x])).toThrow(GradError);
    expect(numbers(grad(sum(y), [x])[0])).toEqual([2, 4]);
  });
});

describe("the walk", () => {
  it("goes down a chain of 100,000 ops", () => {
    const [x, factor] = [leaf(1), constant(1.0001)];
    let y = x;
    for (let i = 1; i <= 100_000; i++) y = i % 100 === 0 ? product(y, factor) : pass(y);
    expect(grad(y, [x])[0].item()).toBeCloseTo(1.0001 ** 1000, 12);
  });

  it("goes down a chain of 100,000 ops in a step, with a graph of the gradient", () => {
    const x = leaf(3);
    const slope = step(() => {
      let y = mul(x, x);
      for (let i = 0; i < 100_000; i++) y = pass(y);
      return grad(grad(y, [x], { createGraph: true })[0], [x])[0];
    });
    expect(slope.item()).toBe(2);
  });

  it("runs rules only between the output and the inputs, youngest first, each once", () => {
    const [x, w] = [leaf(2, "x"), leaf(3, "w")];
    const old = mul(x, x); // older than w
    const middle = mul(old, w);
    const side = mul(w, w);
    const output = mul(add(middle, side), middle);
    const unused = tanh(output);
    const seen: string[] = [];
    const record = (inputs: Tensor[]): string[] => {
      seen.length = 0;
      observe(() => grad(output, inputs), { cotangent: (op, id) => seen.push(`${op} ${id}`) });
      return [...seen];
    };
    const label = (t: Tensor): string => `${t.node!.op} ${t.node!.id}`;
    const sumNode = output.node!.parents[0]!;
    const downTo = (...rest: Tensor[]): string[] => [label(output), `add ${sumNode.id}`, ...rest.map(label)];
    expect(record([w])).toEqual(downTo(side, middle, w));
    expect(record([old])).toEqual(downTo(middle, old));
    expect(record([x])).toEqual(downTo(middle, old, x));
    expect(record([middle])).toEqual(downTo(middle));
    expect(unused.requiresGrad).toBe(true);
  });

  it("does not touch the rules of what is not on the way", () => {
    const broken = defineOp({
      name: "broken",
      inputs: ["x"],
      keeps: [],
      forward: ({ x }) => copy(x),
      vjp: () => ({
        x: () => {
          throw new Error("this rule must not run");
        },
      }),
    });
    const [x, y] = [leaf(1), leaf(2)];
    const output = add(mul(y, y), broken({ x }, {}));
    expect(grad(output, [y])[0].item()).toBe(4);
    expect(() => grad(output, [x])).toThrow("this rule must not run");
    expect(grad(output, [y])[0].item()).toBe(4);
  });

  it("shows each node's cotangent once, complete, just before its rule runs", () => {
    const x = leaf(3, "x");
    const b = mul(x, 4);
    const c = add(add(b, 3), mul(b, 5)); // b is reached along two paths
    const seen: [string, number][] = [];
    observe(() => grad(c, [x]), { cotangent: (op, id, dy) => seen.push([`${op} ${id}`, dy.item()]) });
    const ofB = seen.filter(([label]) => label === `mul ${b.node!.id}`);
    expect(ofB).toEqual([[`mul ${b.node!.id}`, 6]]);
    expect(seen.at(-1)).toEqual([`leaf ${x.node!.id}`, 24]);
  });

  it("has the order of accumulation from the graph: equal bits on every run and in every place", () => {
    const random = generator();
    const x = randomLeaf([40], random);
    const parts = Array.from({ length: 12 }, () => mul(tanh(x), random() * 1e3));
    const output = sum(total([...parts, mul(x, x), x]));
    const runs = homes.flatMap(([, run]) => [1, 2].map(() => run(() => grad(output, [x])[0])));
    for (const gradient of runs) expectBits(gradient, runs[0]!);
  });

  it("uses the fused kernel unless a graph of the gradient is asked for", () => {
    const [a, b] = [leaf(2), leaf(3)];
    const y = mulAdd(a, b);
    fusedRuns.length = 0;
    grad(y, [a]);
    expect(fusedRuns).toEqual(["backward"]);
    grad(y, [a], { createGraph: true });
    expect(fusedRuns).toEqual(["backward", "composed"]);
  });

  it("a graph holds what its rules keep, and nothing of its parents' data", () => {
    const x = leaf([1, 2]);
    const y = add(mul(x, x), 1);
    expect(y.node!.rule!.kept).toEqual({ shapes: { a: [2], b: [2], output: [2] } });
    expect(Object.keys(y.node!.parents[0]!.rule!.kept!)).toEqual(["shapes", "a", "b"]);
  });

  it("reads shapes, not tensors, where a rule needs no more", () => {
    const x = leaf([[1, 2]]);
    expect(sumTo(x, [1, 1]).node!.rule!.kept).toEqual({ shapes: { x: [1, 2], output: [1, 1] } });
    expect(sub(x, x).node!.rule!.kept).toEqual({ shapes: { a: [1, 2], b: [1, 2], output: [1, 2] } });
  });
});
