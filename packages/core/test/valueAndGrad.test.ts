import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import {
  add,
  defineFused,
  DTypeError,
  flattenTree,
  grad,
  GradError,
  mapTree,
  noGrad,
  step,
  tensor,
  valueAndGrad,
  ValueError,
  type Tensor,
} from "../src/index.ts";
import * as k from "@gradus/kernels";
import { mul, mulAdd, sum, tanh } from "./ops.ts";
import {
  constant,
  expectBits,
  expectError,
  expectUnshared,
  homes,
  leaf,
  numbers,
  storageOf,
  watchMemory,
} from "./support.ts";

watchMemory();

describe.each(homes)("valueAndGrad %s", (_, run) => {
  it("gives the value and a gradient for each tensor of the tree", () => {
    const params = { w: constant([1, 2]), layers: [{ b: constant(3) }, { b: constant(4) }] };
    const { value, grads } = run(() =>
      valueAndGrad((p: typeof params, scale: number) =>
        sum(mul(mul(p.w, p.w), mul(p.layers[0]!.b, mul(p.layers[1]!.b, scale)))),
      )(params, 2),
    );
    expect(value.item()).toBe(5 * 3 * 4 * 2);
    expect(numbers(grads.w)).toEqual([48, 96]);
    expect(grads.layers.map(({ b }) => b.item())).toEqual([40, 30]);
  });

  it("gives fn fresh leaves over the same data, named by their path, whatever the tensors were", () => {
    run(() => {
      const [old, derived] = [leaf([1], "old"), mul(leaf([2]), 3)];
      const params = { a: old, "b-c": [derived, { d: constant([3]) }] as const };
      const seen: Tensor[] = [];
      valueAndGrad((p: typeof params) => {
        seen.push(...flattenTree(p).values());
        return sum(add(p.a, mul(p["b-c"][0], p["b-c"][1].d)));
      })(params);
      expect(seen.map((x) => [x.name, x.node?.name, x.node?.op])).toEqual(
        ["a", "b-c[0]", "b-c[1].d"].map((path) => [path, path, "leaf"]),
      );
      expect(seen.map(storageOf)).toEqual([old, derived, params["b-c"][1].d].map(storageOf));
      expect(seen[0]!.node).not.toBe(old.node);
    });
  });

  it("takes a bare tensor, or an array of them", () => {
    run(() => {
      expect(valueAndGrad((x: Tensor) => mul(x, x))(constant(3)).grads.item()).toBe(6);
      const [g, h] = valueAndGrad(([x, y]: readonly [Tensor, Tensor]) => mul(x, y))([constant(3), constant(4)]).grads;
      expect([g.item(), h.item()]).toEqual([4, 3]);
    });
  });

  it("gives value and aux without history, and the rest of aux as it is", () => {
    run(() => {
      const when = new Date();
      const { value, aux, grads } = valueAndGrad((x: Tensor) => {
        const hidden = tanh(x);
        return { value: sum(hidden), aux: { hidden, list: [mul(hidden, 2)], when, count: 3, none: null } };
      })(constant([0, 0]));
      for (const x of [value, aux.hidden, aux.list[0]!, grads]) expect(x.requiresGrad).toBe(false);
      expect([numbers(aux.hidden), numbers(aux.list[0]!), numbers(grads)]).toEqual([
        [0, 0],
        [0, 0],
        [1, 1],
      ]);
      expect([aux.when, aux.count, aux.none]).toEqual([when, 3, null]);
    });
  });

  it("may give a parameter itself as the value", () => {
    run(() => {
      const x = constant(5);
      const { value, grads } = valueAndGrad((p: Tensor) => p)(x);
      expect([value.item(), grads.item(), value.requiresGrad]).toEqual([5, 1, false]);
      expectUnshared([x, grads]);
    });
  });

  it("records, even under noGrad, and nests", () => {
    run(() => {
      const inner = (x: Tensor): Tensor => valueAndGrad((y: Tensor) => mul(y, mul(y, y)))(x).grads;
      const { grads } = noGrad(() => valueAndGrad((x: Tensor) => mul(x, inner(x)))(constant(2)));
      expect(grads.item()).toBe(12); // the inner gradient, 3x², is a constant
    });
  });

  it("gives the bits of grad", () => {
    run(() => {
      const x = leaf([0.1, 0.2, 0.3]);
      const f = (p: Tensor): Tensor => sum(mulAdd(tanh(p), mul(p, p)));
      expectBits(valueAndGrad(f)(x).grads, grad(f(x), [x])[0]);
    });
  });

  it("gives one tensor at two paths two leaves, each with its own share", () => {
    run(() => {
      const w = constant([3, 4]);
      const { grads } = valueAndGrad((p: { in: Tensor; out: Tensor }) => sum(mul(p.in, mul(p.out, 2))))({
        in: w,
        out: w,
      });
      expect([numbers(grads.in), numbers(grads.out)]).toEqual([
        [6, 8],
        [6, 8],
      ]);
      expectUnshared([grads.in, grads.out, w]);
    });
  });
});

describe("valueAndGrad drops what rules keep once they have run", () => {
  it("so that a graph which leaked out says that it was used up", () => {
    let leaked: Tensor | null = null;
    let input: Tensor | null = null;
    valueAndGrad((x: Tensor) => {
      input = x;
      leaked = mul(x, x);
      return mul(leaked, 3);
    })(constant(2));
    const node = leaked!.node!;
    expect(node.rule).toMatchObject({ kept: null, saved: {} });
    const message = `grad: the graph of "mul" (node ${node.id}) was used up by valueAndGrad; want a new forward pass`;
    expectError(() => grad(leaked!, [input!]), GradError, message);
  });

  it("also the blocks of what a fused op has saved, at once", () => {
    step(() => {
      const x = tensor(new Float64Array(1000));
      const seen: number[] = [];
      valueAndGrad((p: Tensor) => {
        const y = sum(mulAdd(p, p));
        seen.push(k.memoryStats().blocks);
        return y;
      })(x);
      // x, the op's output, its sum and the gradient are left; the saved factor is not.
      expect([seen, k.memoryStats().blocks]).toEqual([[4], 4]);
    });
  });

  it("but not a block of which the op's output or input is made, though it is called saved", () => {
    const aliasing = defineFused({
      name: "aliasing",
      inputs: ["x"],
      forward: ({ x }) => {
        const output = k.copy(x);
        return { output, saved: { input: x, same: k.reshaped(output, output.shape) } };
      },
      backward: ({ same }, dy, { x }) => k.mulNoNanInto(x!.into, x!.beta, same, dy),
      composed: ({ x }) => mul(x, x),
    });
    step(() => {
      const x = mul(constant([1, 2]), 1);
      const { value, aux } = valueAndGrad((p: Tensor) => {
        const y = aliasing({ x: p }, {});
        return { value: sum(y), aux: y };
      })(x);
      expect([numbers(x), value.item(), numbers(aux)]).toEqual([[1, 2], 3, [1, 2]]);
    });
  });

  it("not what lies beyond the parameters: a graph that fn reads by closure stays", () => {
    const w = leaf(3);
    const outer = mul(w, w);
    valueAndGrad((x: Tensor) => mul(x, outer))(constant(2));
    expect(grad(outer, [w])[0].item()).toBe(6);
  });
});

describe("valueAndGrad refuses", () => {
  const f = (p: { w: Tensor }): Tensor => sum(p.w);

  it.each(["int32", "bool"] as const)("parameters of dtype %s, by path", (dtype) => {
    const index = tensor([1, 0], { dtype });
    const message = (path: string): string =>
      `valueAndGrad: a parameter that is no float; got ${path} ${dtype}[2]; want float32 or float64`;
    expectError(() => valueAndGrad(f)({ w: index }), DTypeError, message("w"));
    expectError(() => valueAndGrad((p: Tensor) => p)(index), DTypeError, message("params"));
    const deep = { w: constant(1), rest: [{ index }] };
    expectError(() => valueAndGrad(f)(deep), DTypeError, message("rest[0].index"));
  });

  const want =
    'want an input that the output was computed from, as an argument and not by closure, or unreached: "zero"';
  it("a parameter that fn does not use, by path", () => {
    expectError(
      () => valueAndGrad(f)({ w: constant([1]), unused: [constant([1, 2])] } as { w: Tensor }),
      GradError,
      `grad: an input was not reached from the output; got input "unused[0]" float64[2]; ${want}`,
    );
  });

  it("a parameter that fn reads by closure, and says that it may be that", () => {
    const params = { w: leaf([1, 2]), v: leaf([1, 2]) };
    expectError(
      () => valueAndGrad((p: typeof params) => sum(mul(params.w, p.v)))(params),
      GradError,
      `grad: an input was not reached from the output; got input "w" float64[2]; ${want}`,
    );
  });

  it("a value that depends on no parameter, has several elements, or is none", () => {
    expectError(
      () => valueAndGrad(() => constant(1))({ w: constant(1) }),
      GradError,
      "grad: the output has no graph; got output float64[]; want a tensor made with requiresGrad, or computed from one",
    );
    expectError(
      () => valueAndGrad((p: Tensor) => mul(p, p))(constant([1, 2])),
      GradError,
      "valueAndGrad: the function did not return a scalar; got value float64[2]; want a single element",
    );
    for (const [result, got] of [
      [undefined, "undefined"],
      [null, "undefined"],
      [5, "undefined"],
      [{ value: 5, aux: 1 }, "5"],
    ] as const) {
      const fn = (() => result) as unknown as (p: Tensor) => Tensor;
      expectError(
        () => valueAndGrad(fn)(constant(1)),
        ValueError,
        `grad: not a tensor; got output ${got}; want a tensor`,
      );
    }
  });

  it("tensors of a step that has ended, by path", () => {
    let lost: Tensor | null = null;
    step(() => {
      lost = mul(constant([1]), 2);
    });
    const ended = "was made inside a step() that has ended; return it from the step or keep() it";
    expectError(() => valueAndGrad(f)({ w: lost! }), ValueError, `valueAndGrad: tensor "w" [1] ${ended}`);
  });

  it("and passes errors of fn on unchanged, with recording as before", () => {
    const error = new Error("by fn");
    const failing = valueAndGrad((): Tensor => {
      throw error;
    });
    for (const [, run] of homes) {
      let caught: unknown;
      try {
        run(() => noGrad(() => failing(constant(1))));
      } catch (thrown) {
        caught = thrown;
      }
      expect(caught).toBe(error);
      expect(mul(leaf(1), 1).requiresGrad).toBe(true);
    }
  });
});

describe("trees", () => {
  it("are records and arrays; paths say where a tensor stands", () => {
    const [a, b, c] = [constant(1), constant(2), constant(3)];
    const tree = { a, list: [b, { "odd key": c }], text: "kept", none: null };
    expect([...flattenTree(tree)]).toEqual([
      ["a", a],
      ["list[0]", b],
      ["list[1].odd key", c],
    ]);
    expect([...flattenTree([a, [b]])].map(([path]) => path)).toEqual(["[0]", "[1][0]"]);
    expect([...flattenTree(a)]).toEqual([["", a]]);
    const doubled = mapTree(tree, (x) => mul(x, 2));
    expect((doubled.list[1] as { "odd key": Tensor })["odd key"].item()).toBe(6);
    expect([doubled.text, doubled.none]).toEqual(["kept", null]);
  });

  it("of another realm, or without a prototype, are trees too", () => {
    const foreign = runInNewContext("({ list: [] })") as { list: Tensor[] };
    foreign.list.push(constant(1));
    const bare = Object.assign(Object.create(null) as object, { w: constant(2) });
    expect([...flattenTree({ foreign, bare }).keys()]).toEqual(["foreign.list[0]", "bare.w"]);
  });

  it("stop at instances of classes, which come back as they are", () => {
    class Model {
      w = constant(1);
    }
    const value = { model: new Model(), map: new Map([["w", constant(1)]]), array: Float32Array.of(1) };
    expect(flattenTree(value).size).toBe(0);
    const mapped = mapTree(value, () => constant(0));
    expect([mapped.model, mapped.map, mapped.array]).toEqual([value.model, value.map, value.array]);
    expect(mapped.model).toBe(value.model);
  });

  it("take keys as they are, even __proto__", () => {
    const tree = JSON.parse('{ "__proto__": 1 }') as Record<string, unknown>;
    tree.w = constant(1);
    expect(Object.keys(mapTree(tree, (x) => x))).toEqual(["__proto__", "w"]);
  });
});
