// Freed blocks are overwritten here, so that a cotangent which is freed or added into too early shows as NaN or as
// another number.
import * as k from "@gradus/kernels";
import { copy, currentScope, memoryStats } from "@gradus/kernels";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  add,
  defineFused,
  defineOp,
  grad,
  hvp,
  observe,
  step,
  tensor,
  valueAndGrad,
  type Tensor,
} from "../src/index.ts";
import { mul, mulAdd, odd, pass, product, reshape, sum, tanh, total } from "./ops.ts";
import {
  constant,
  expectBits,
  expectNear,
  expectUnshared,
  generator,
  homes,
  leaf,
  numbers,
  randomLeaf,
  seed,
  storageOf,
  watchMemory,
} from "./support.ts";

watchMemory();

describe.each(homes)("cotangents %s", (_, run) => {
  const random = generator();
  const [a, b, c] = [0, 1, 2].map(() => randomLeaf([3, 2], random)) as [Tensor, Tensor, Tensor];
  const cotangent = constant(numbers(randomLeaf([6], random)));
  const dy = (): Tensor => reshape(cotangent, [3, 2]);

  it("that a rule hands on as they are reach several inputs, none of which shares them", () => {
    run(() => {
      const given = dy();
      const gradients = grad(add(a, b), [a, b, a], { cotangent: given });
      for (const gradient of gradients) expectBits(gradient, given);
      expectUnshared([...gradients, given]);
    });
  });

  it("that come back reshaped share nothing with the one given", () => {
    run(() => {
      const given = reshape(cotangent, [2, 3]);
      const [gradient] = grad(reshape(reshape(a, [6]), [2, 3]), [a], { cotangent: given });
      expect(numbers(gradient)).toEqual(numbers(cotangent));
      expectUnshared([gradient, cotangent]);
    });
  });

  it("are not added into: x + x leaves the cotangent as it was given", () => {
    run(() => {
      const given = dy();
      const before = numbers(given);
      const [doubled] = grad(add(a, a), [a], { cotangent: given });
      const [four, one] = grad(add(add(a, add(a, a)), add(a, b)), [a, b], { cotangent: given });
      expectNear(
        doubled,
        before.map((x) => 2 * x),
      );
      expectNear(
        four,
        before.map((x) => 4 * x),
      );
      expect([numbers(given), numbers(one)]).toEqual([before, before]);
    });
  });

  it("of nodes whose array is their input's are theirs alone", () => {
    run(() => {
      const y = pass(pass(a));
      const [gy, ga] = grad(add(y, mul(y, b)), [y, a], { cotangent: dy() });
      expectUnshared([gy, ga, a, b, cotangent]);
      expectBits(gy, ga);
      expectNear(
        ga,
        numbers(b).map((x, i) => (1 + x) * numbers(cotangent)[i]!),
      );
    });
  });

  it("may be an input that the rule kept, or one tensor for two inputs", () => {
    run(() => {
      const d = reshape(c, [6]);
      const before = [a, b, c].map(numbers);
      const z = add(odd(a, b, reshape(d, [3, 2])), add(a, mul(b, b)));
      const [ga, gb, gc] = grad(sum(mul(z, z)), [a, b, c]);
      const slope = numbers(z).map((x) => 2 * x);
      const memo = slope.map((x) => Math.tanh(2 * x));
      expectNear(
        ga,
        slope.map((x, i) => x + before[1]![i]!),
      );
      expectNear(
        gb,
        slope.map((x, i) => 2 * x * before[1]![i]! + memo[i]!),
      );
      expectNear(gc, memo);
      expect([a, b, c].map(numbers)).toEqual(before);
      expectUnshared([ga, gb, gc, a, b, c]);
    });
  });

  it("that a rule handed out from what it kept are copied, even if nothing else holds them", () => {
    run(() => {
      const [ga, gc] = grad(sum(odd(a, b, c)), [a, c]);
      expectBits(ga, b);
      expectUnshared([ga, b, gc]);
    });
  });

  it("stay as a rule or an observer saw them for as long as it may look", () => {
    run(() => {
      const seen: { dy: Tensor; values: number[] }[] = [];
      const hook = defineOp({
        name: "hook",
        inputs: ["x"],
        keeps: [],
        forward: ({ x }) => copy(x),
        vjp: () => ({
          x: (cotangentHere) => {
            seen.push({ dy: cotangentHere, values: numbers(cotangentHere) });
            return cotangentHere;
          },
        }),
      });
      const hooked = hook({ x: a }, {});
      const rest = defineOp({
        name: "rest",
        inputs: ["x"],
        keeps: [],
        forward: ({ x }) => copy(x),
        vjp: () => ({
          x: (last) => {
            for (const { dy: earlier, values } of seen) expect(numbers(earlier)).toEqual(values);
            return last;
          },
        }),
      });
      const start = rest({ x: a }, {}); // older than the hooks: its rule runs after theirs
      const two = hook({ x: start }, {});
      observe(() => grad(sum(mul(add(add(hooked, two), add(start, two)), b)), [a, start, two]), {
        cotangent: (__, ___, x) => expect(numbers(x).every(Number.isFinite)).toBe(true),
      });
      expect(seen).toHaveLength(2);
    });
  });

  it("a fused rule that gets one node twice adds both, whatever is there already", () => {
    run(() => {
      const x = leaf([2, 3]);
      const y = add(mulAdd(x, x), mul(x, x)); // 2x² + x
      expect(numbers(grad(sum(y), [x])[0])).toEqual([9, 13]);
      const alone = sum(mulAdd(pass(x), x));
      expect(numbers(grad(alone, [x])[0])).toEqual([5, 7]);
    });
  });

  it("a rule on arrays adds to a borrowed cotangent in a copy of it", () => {
    run(() => {
      const given = dy();
      const before = numbers(given);
      // x gets dy itself first, from the younger `add`, and then two products.
      const early = product(a, b);
      const [gradient] = grad(add(add(early, product(a, a)), a), [a], { cotangent: given });
      expectNear(
        gradient,
        before.map((x, i) => x * (numbers(b)[i]! + 2 * numbers(a)[i]! + 1)),
      );
      expect(numbers(given)).toEqual(before);
    });
  });
});

/** Σ x², with 2x made in its forward pass. */
const early = defineFused({
  name: "early",
  inputs: ["x"],
  becomes: { x: "slope" },
  forward: ({ x }, _: object, needsGradient) => {
    const slope = needsGradient ? k.add(x, x) : x;
    return { output: k.sum(k.mul(x, x), [0]), saved: { slope } };
  },
  backward: ({ slope }, dy, { x: to }) => {
    if (to) k.scaleInto(to.into, to.beta, slope, k.copyOut(dy.storage)[0]!);
  },
  composed: ({ x }) => sum(mul(x, x)),
});

describe.each(homes)("a saved array that may become a gradient %s", (_, run) => {
  const x = constant([1, -2, 3]);
  const loss = (x: Tensor): Tensor => early({ x }, {});

  it("becomes it where the graph is used up, scaled by the cotangent", () => {
    run(() => {
      const { value, grads } = valueAndGrad(loss)(x);
      expect([numbers(value), numbers(grads)]).toEqual([[14], [2, -4, 6]]);
      expect(numbers(valueAndGrad((x: Tensor) => mul(loss(x), -0.5))(x).grads)).toEqual([-1, 2, -3]);
      expect(numbers(valueAndGrad((x: Tensor) => loss(mul(x, x)))(x).grads)).toEqual([4, -32, 108]);
      expect(numbers(x)).toEqual([1, -2, 3]);
    });
  });

  it("is added to a gradient that is there, and added into by one that comes later", () => {
    run(() => {
      const [early, late] = [
        (x: Tensor) => add(loss(x), sum(mul(x, 10))),
        (x: Tensor) => add(sum(mul(x, 10)), loss(x)),
      ].map((fn) => valueAndGrad(fn)(x).grads);
      expect([numbers(early!), numbers(late!)]).toEqual([
        [12, 6, 16],
        [12, 6, 16],
      ]);
      expect(numbers(valueAndGrad((x: Tensor) => add(loss(x), loss(x)))(x).grads)).toEqual([4, -8, 12]);
    });
  });

  it("stays as it is where the graph is kept", () => {
    run(() => {
      const leaf = tensor([1, -2, 3], { dtype: "float64", requiresGrad: true });
      const y = loss(leaf);
      const gradients = [1, 3].map((u) => grad(y, [leaf], { cotangent: tensor(u, { dtype: "float64" }) })[0]);
      expect(gradients.map(numbers)).toEqual([
        [2, -4, 6],
        [6, -12, 18],
      ]);
      expectUnshared([...gradients, leaf]);
    });
  });

  it("goes through the composed form where the gradient is differentiated", () => {
    run(() => {
      expect(numbers(hvp(loss, x, x))).toEqual([2, -4, 6]);
    });
  });
});

describe("memory of a walk in a step", () => {
  it("a saved array that becomes the gradient is the only one of its size", () => {
    const x = randomLeaf([4096], generator());
    const block = 4096 * 8;
    step(() => {
      const made = mul(x, 1);
      const before = memoryStats().live;
      const kernels = new Set<string>();
      const { grads } = observe(() => valueAndGrad((x: Tensor) => early({ x }, {}))(made), {
        kernel: (name) => kernels.add(name),
      });
      expect(memoryStats().live - before).toBeLessThan(1.1 * block);
      expect(kernels).not.toContain("scale_f64");
      expect(numbers(grads)).toEqual(numbers(mul(made, 2)));
    });
    expect(memoryStats().live).toBe(0);
  });

  it.each([
    ["ops that hand their cotangent on", (y: Tensor) => pass(y)],
    ["ops that make a new one", (y: Tensor) => tanh(y)],
    ["ops that write into accumulators", (y: Tensor) => product(y, y)],
    ["fused ops, one node twice", (y: Tensor) => mulAdd(y, y)],
    ["nodes that are reached twice", (y: Tensor) => add(tanh(y), mul(y, 0.5))],
    ["nodes that are reached in every way", (y: Tensor) => total([product(y, y), y, tanh(y), reshape(y, [1000])])],
  ])("a chain of %s needs no more cotangents at a time the longer it is", (_, op) => {
    const x = randomLeaf([1000], generator());
    const extra = (length: number): number =>
      step(() => {
        let y = op(x);
        for (let i = 1; i < length; i++) y = op(y);
        const loss = sum(y);
        const before = memoryStats().live;
        grad(loss, [x]);
        return memoryStats().peak - before;
      });
    expect(extra(60)).toBe(extra(5));
  });

  it("a gradient that nobody else has is handed out as it is, without a copy", () => {
    step(() => {
      const [a, b] = [mul(leaf([1, 2]), 1), mul(leaf([3, 4]), 1)];
      const kernels: string[] = [];
      const y = product(a, b);
      observe(() => grad(y, [a, b], { cotangent: mul(constant([1, 1]), 1) }), { kernel: (name) => kernels.push(name) });
      expect(kernels.filter((name) => name.startsWith("copy"))).toHaveLength(1); // of the constant
      kernels.length = 0;
      observe(() => grad(add(a, b), [a, b], { cotangent: y }), { kernel: (name) => kernels.push(name) });
      expect(kernels.filter((name) => name.startsWith("copy"))).toHaveLength(2);
    });
  });

  it("what a rule made for itself goes back when it ends", () => {
    const wasteful = defineOp({
      name: "wasteful",
      inputs: ["x"],
      keeps: [],
      forward: ({ x }) => copy(copy(copy(x))),
      vjp: () => ({ x: (dy) => add(add(add(dy, 0), 0), 0) }),
    });
    const x = randomLeaf([4096], generator());
    const block = 4096 * 8;
    step(() => {
      let y: Tensor = x;
      for (let i = 0; i < 20; i++) y = wasteful({ x: y }, {});
      expect(memoryStats().live).toBe(21 * block); // the results, and x, copied in
      const loss = sum(y);
      const before = memoryStats().live;
      const [gradient] = grad(loss, [x]);
      expect(memoryStats().live).toBe(before + block);
      expect(memoryStats().peak - before).toBeLessThan(8 * block);
      expect(numbers(gradient)).toEqual(new Array(4096).fill(1));
    });
  });

  it("a gradient outlives the walk, its cotangents do not", () => {
    const x = leaf([1, 2]);
    step(() => {
      const seen: Tensor[] = [];
      const y = sum(tanh(mul(x, x)));
      const [gradient] = observe(() => grad(y, [x]), { cotangent: (_, __, dy) => seen.push(dy) });
      expect(numbers(gradient)).toHaveLength(2);
      expect(seen.length).toBeGreaterThan(3);
      const messages = seen.slice(0, -1).map((dy) => {
        try {
          return numbers(dy).join();
        } catch (error) {
          return (error as Error).message;
        }
      });
      for (const message of messages) {
        expect(message).toMatch(/^data: tensor "tensor" \[2?\] was a (spent cotangent|temporary of .*)$/);
      }
    });
  });
});

/** An op on lists of numbers, beside the same on tensors. */
interface Rule {
  readonly inputs: number;
  readonly op: (...xs: Tensor[]) => Tensor;
  readonly value: (xs: number[][]) => number[];
  readonly pull: (dy: number[], xs: number[][], y: number[]) => number[][];
}
const zip = (f: (...x: number[]) => number, ...lists: number[][]): number[] =>
  lists[0]!.map((_, i) => f(...lists.map((list) => list[i]!)));

const rules: Record<string, Rule> = {
  add: {
    inputs: 2,
    op: (a, b) => add(a, b),
    value: ([a, b]) => zip((x, y) => x + y, a!, b!),
    pull: (dy) => [dy, dy],
  },
  mul: {
    inputs: 2,
    op: (a, b) => mul(a, b),
    value: ([a, b]) => zip((x, y) => x * y, a!, b!),
    pull: (dy, [a, b]) => [zip((d, y) => d * y, dy, b!), zip((d, x) => d * x, dy, a!)],
  },
  product: {
    inputs: 2,
    op: (a, b) => product(a, b),
    value: ([a, b]) => zip((x, y) => x * y, a!, b!),
    pull: (dy, [a, b]) => [zip((d, y) => d * y, dy, b!), zip((d, x) => d * x, dy, a!)],
  },
  mulAdd: {
    inputs: 2,
    op: (a, b) => mulAdd(a, b),
    value: ([a, b]) => zip((x, y) => x * (y + 1), a!, b!),
    pull: (dy, [a, b]) => [zip((d, y) => d * (y + 1), dy, b!), zip((d, x) => d * x, dy, a!)],
  },
  tanh: {
    inputs: 1,
    op: (x) => tanh(x),
    value: ([x]) => x!.map(Math.tanh),
    pull: (dy, _, y) => [zip((d, t) => d * (1 - t * t), dy, y)],
  },
  pass: { inputs: 1, op: (x) => pass(x), value: ([x]) => x!, pull: (dy) => [dy] },
  reshape: {
    inputs: 1,
    op: (x) => reshape(reshape(x, [6]), [2, 3]),
    value: ([x]) => x!,
    pull: (dy) => [dy],
  },
  total: {
    inputs: 3,
    op: (...xs) => total(xs),
    value: ([a, b, c]) => zip((x, y, z) => x + y + z, a!, b!, c!),
    pull: (dy) => [dy, dy, dy],
  },
  odd: {
    inputs: 3,
    op: (a, b, c) => odd(a, b, c),
    value: ([a]) => a!,
    pull: (dy, [, b]) => {
      const memo = dy.map((d) => Math.tanh(2 * d));
      return [b!, memo, memo];
    },
  },
};

interface Program {
  readonly leaves: number[][];
  /** For each node its rule, and its inputs as steps back from it. */
  readonly nodes: { rule: string; back: number[] }[];
  readonly cotangent: number[];
  /** What to differentiate in beside the leaves, as steps back from the end. */
  readonly also: number;
}

const LEAVES = 3;
const anyList = fc.array(
  fc.integer({ min: -8, max: 8 }).map((n) => n / 7),
  { minLength: 6, maxLength: 6 },
);
const programOf = (names: string[]): fc.Arbitrary<Program> =>
  fc.record({
    leaves: fc.array(anyList, { minLength: LEAVES, maxLength: LEAVES }),
    nodes: fc.array(
      fc.record({
        rule: fc.constantFrom(...names),
        back: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 3, maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 12 },
    ),
    cotangent: anyList,
    also: fc.integer({ min: 0, max: 3 }),
  });

const inputsOf = ({ rule, back }: Program["nodes"][number], at: number): number[] =>
  back.slice(0, rules[rule]!.inputs).map((steps) => Math.max(0, at - 1 - steps));

/** Values and gradients by the textbook: from the last node to the first, adding up. */
function naive(program: Program): { values: number[][]; gradients: number[][] } {
  const values = [...program.leaves];
  program.nodes.forEach((node, n) => {
    const xs = inputsOf(node, LEAVES + n).map((i) => values[i]!);
    values.push(rules[node.rule]!.value(xs));
  });
  const gradients = values.map(() => [0, 0, 0, 0, 0, 0]);
  const reached = values.map((_, i) => i === values.length - 1);
  gradients[values.length - 1] = program.cotangent;
  for (let at = values.length - 1; at >= LEAVES; at--) {
    if (!reached[at]) continue;
    const node = program.nodes[at - LEAVES]!;
    const inputs = inputsOf(node, at);
    const pulled = rules[node.rule]!.pull(
      gradients[at]!,
      inputs.map((i) => values[i]!),
      values[at]!,
    );
    inputs.forEach((i, position) => {
      gradients[i] = zip((sum, x) => sum + x, gradients[i]!, pulled[position]!);
      reached[i] = true;
    });
  }
  return { values, gradients };
}

/** The same by the engine, checking on the way that nothing is shared and nothing changes. */
function byEngine(program: Program, leaves: readonly Tensor[], createGraph: boolean): Tensor[] {
  const made: Tensor[] = [...leaves];
  program.nodes.forEach((node, n) => {
    made.push(rules[node.rule]!.op(...inputsOf(node, LEAVES + n).map((i) => made[i]!)));
  });
  const cotangent = reshape(constant(program.cotangent), [2, 3]);
  const output = made.at(-1)!;
  const inputs = [...leaves, made.at(-1 - program.also)!, leaves[0]!];
  const before = [...made, cotangent].map(numbers);
  const options = { cotangent, createGraph, unreached: "zero" } as const;
  const gradients = grad(output, inputs, options);
  const again = grad(output, inputs, options);
  gradients.forEach((gradient, i) => expectBits(gradient, again[i]!));
  expect([...made, cotangent].map(numbers)).toEqual(before);
  for (const x of [...made, cotangent, ...gradients, ...again]) expect(storageOf(x).holds).toBe(0);
  const storages = new Set([...made, cotangent].map(storageOf));
  for (const gradient of [...gradients, ...again]) {
    expect(storages.has(storageOf(gradient))).toBe(false);
    storages.add(storageOf(gradient));
  }
  return gradients;
}

describe(`random graphs with fan-out and shared storage, seed ${seed}`, () => {
  const check = (program: Program, createGraph: boolean): void => {
    const leaves = program.leaves.map((values) =>
      tensor(values, { shape: [2, 3], dtype: "float64", requiresGrad: true }),
    );
    const { gradients } = naive(program);
    const want = [...gradients.slice(0, LEAVES), gradients.at(-1 - program.also)!, gradients[0]!];
    const results = homes.map(([, run]) => run(() => byEngine(program, leaves, createGraph)));
    results[0]!.forEach((gradient, i) => expectNear(gradient, want[i]!, 1e-9));
    for (const result of results) result.forEach((gradient, i) => expectBits(gradient, results[0]![i]!));
    expect(currentScope()).toBeNull();
    expect(memoryStats()).toMatchObject({ live: 0, blocks: 0 });
  };

  it("have equal bits in and out of a step, the gradients of the textbook, and share nothing", () => {
    fc.assert(
      fc.property(programOf(Object.keys(rules)), (program) => check(program, false)),
      { numRuns: 200 },
    );
  });

  it("and so have graphs of gradients", () => {
    const differentiable = Object.keys(rules).filter((name) => name !== "odd");
    fc.assert(
      fc.property(programOf(differentiable), (program) => check(program, true)),
      { numRuns: 100 },
    );
  });

  it("gradients of gradients are those of the directional derivative, in every place alike", () => {
    const differentiable = Object.keys(rules).filter((name) => name !== "odd");
    fc.assert(
      fc.property(programOf(differentiable), (program) => {
        const second = homes.map(([, run]) =>
          run(() => {
            const leaves = program.leaves.map((values) =>
              tensor(values, { shape: [2, 3], dtype: "float64", requiresGrad: true }),
            );
            const gradients = byEngine(program, leaves, true).slice(0, LEAVES);
            const length = total(gradients.map((g) => (g.requiresGrad ? g : mul(leaves[0]!, 0))));
            return grad(length, leaves, { cotangent: reshape(constant(program.cotangent), [2, 3]), unreached: "zero" });
          }),
        );
        for (const result of second) result.forEach((gradient, i) => expectBits(gradient, second[0]![i]!));
        // Every op is elementwise, so that Σ over leaves of the slope, pushed in all leaves at once, is a derivative of
        // one number in one number for each element.
        const at = (shift: number): number[] => {
          const shifted = { ...program, leaves: program.leaves.map((xs) => xs.map((x) => x + shift)) };
          const { gradients } = naive(shifted);
          return zip((x, y, z) => x + y + z, ...gradients.slice(0, LEAVES));
        };
        const [up, down] = [at(1e-4), at(-1e-4)];
        const slope = zip((p, m, c) => ((p - m) / 2e-4) * c, up, down, program.cotangent);
        const sums = zip((x, y, z) => x + y + z, ...second[0]!.map(numbers));
        const scale = Math.max(1, ...slope.map(Math.abs), ...up.map(Math.abs));
        sums.forEach((value, i) => expect(Math.abs(value - slope[i]!) / scale).toBeLessThan(1e-5));
      }),
      { numRuns: 60 },
    );
  });
});
