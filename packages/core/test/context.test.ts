import { observeKernels } from "@gradus/kernels";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  add,
  checkNumerics,
  customGradient,
  defineOp,
  grad,
  GradError,
  hvp,
  nameScope,
  noGrad,
  observe,
  step,
  stopGradient,
  tensor,
  valueAndGrad,
  ValueError,
  type Observer,
  type Tensor,
} from "../src/index.ts";
import { copy, log } from "@gradus/kernels";
import { mul, mulAdd, sum, tanh } from "./ops.ts";
import { constant, expectError, homes, leaf, numbers, watchMemory } from "./support.ts";

watchMemory();

const logOp = defineOp({
  name: "log",
  inputs: ["x"],
  keeps: ["x"],
  forward: ({ x }) => log(x),
  vjp: ({ x }) => ({ x: (dy) => customGradient((a: Tensor) => ({ value: inverse(a, dy), gradient: () => [a] }))(x) }),
});
const inverse = (x: Tensor, dy: Tensor): Tensor =>
  tensor(
    x.data.map((value: number, i: number) => dy.data[i]! / value),
    { shape: x.shape },
  );

/** That what a call changed for its extent is as before. */
function expectRestored(): void {
  expect(mul(leaf(1), 2).requiresGrad).toBe(true);
  expect(mul(leaf(1), 2).node!.scope).toBe("");
  const seen = observeKernels(null);
  expect(seen).toBeNull();
}

describe.each(homes)("noGrad and stopGradient %s", (_, run) => {
  it("noGrad makes constants, nests, and gives back what fn gives", () => {
    run(() => {
      const x = leaf([1, 2]);
      const [y, text] = noGrad(() => {
        noGrad(() => mul(x, 2));
        return [mul(x, 2), "text"] as const;
      });
      expect([y.requiresGrad, text]).toEqual([false, "text"]);
      expect(mul(x, 2).requiresGrad).toBe(true);
    });
  });

  it("noGrad leaves leaves what they are", () => {
    expect(run(() => noGrad(() => leaf(1)).requiresGrad)).toBe(true);
  });

  it("stopGradient cuts a path: the values stay, the gradient does not flow", () => {
    run(() => {
      const x = leaf([1, 2], "x");
      const cut = stopGradient(mul(x, 3));
      expect([cut.requiresGrad, numbers(cut)]).toEqual([false, [3, 6]]);
      expect(numbers(grad(sum(mul(x, cut)), [x])[0])).toEqual([3, 6]);
      const message =
        "grad: the output has no graph: it went through stopGradient; got output float64[2]; " +
        "want a tensor made with requiresGrad, or computed from one";
      expectError(() => grad(cut, [x]), GradError, message);
      expect(stopGradient(x).name).toBe("x");
      const plain = constant(1);
      expect(stopGradient(plain)).toBe(plain);
    });
  });
});

describe("nameScope", () => {
  it("names the nodes that are recorded inside, joined by /", () => {
    const x = leaf(1);
    const [inner, outer] = nameScope("encoder", () => {
      const deep = nameScope("layer0", () => mul(x, x));
      return [deep, add(deep, x)];
    });
    expect([inner, outer, mul(x, x)].map((y) => y.node!.scope)).toEqual(["encoder/layer0", "encoder", ""]);
  });

  it("is closed by a throw", () => {
    expect(() =>
      nameScope("encoder", () => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(mul(leaf(1), 1).node!.scope).toBe("");
  });
});

describe.each(homes)("observe %s", (_, run) => {
  const collect = (): { seen: string[]; observer: Observer } => {
    const seen: string[] = [];
    const observer: Observer = {
      value: (op, id, x) => seen.push(`${op} ${id} ${numbers(x).join()}`),
      cotangent: (op, id, x) => seen.push(`d ${op} ${id} ${numbers(x).join()}`),
      kernel: (name) => seen.push(name),
    };
    return { seen, observer };
  };

  it("tells of each op, its node and value, each cotangent, and each kernel", () => {
    run(() => {
      const x = leaf([1, 2]);
      const { seen, observer } = collect();
      const y = observe(() => mulAdd(x, x), observer);
      expect(seen).toEqual(["add_f64", "mul_f64", `mulAdd ${y.node!.id} 2,6`]);
      seen.length = 0;
      observe(() => grad(y, [x], { cotangent: constant([1, 1]) }), observer);
      expect(seen.filter((event) => event.startsWith("d "))).toEqual([
        `d mulAdd ${y.node!.id} 1,1`,
        `d leaf ${x.node!.id} 3,5`,
      ]);
      expect(seen).toContain("mulNoNan_f64");
      expect(seen.some((event) => event.startsWith("mulAdd"))).toBe(false);
    });
  });

  it("gives id 0 to what is not recorded", () => {
    run(() => {
      const { seen, observer } = collect();
      observe(() => mul(constant(2), 3), { value: observer.value! });
      observe(() => noGrad(() => mul(leaf(2), 3)), { value: observer.value! });
      expect(seen).toEqual(["mul 0 6", "mul 0 6"]);
    });
  });

  it("tells an observer around it as well, the outer one first", () => {
    run(() => {
      const order: string[] = [];
      const named = (name: string): Observer => ({
        value: (op) => order.push(`${name} ${op}`),
        kernel: (kernel) => order.push(`${name} ${kernel}`),
      });
      const [x, y] = [leaf(1), leaf(2)];
      observe(() => observe(() => mul(x, y), named("inner")), named("outer"));
      expect(order).toEqual(["outer mul_f64", "inner mul_f64", "outer mul", "inner mul"]);
      order.length = 0;
      observe(() => {
        observe(() => mul(x, y), { cotangent: () => {} });
        grad(mul(x, y), [x]);
      }, named("outer"));
      expect(order.filter((event) => event === "outer mul")).toHaveLength(3); // two products, one in a rule
    });
  });

  it("sees inside noGrad, grad, steps and custom gradients, and nothing after", () => {
    run(() => {
      const ops: string[] = [];
      const x = leaf(2);
      const square = customGradient((a: Tensor) => ({ value: mul(a, a), gradient: (dy) => [add(dy, dy)] }));
      observe(
        () => {
          noGrad(() => tanh(x));
          step(() => add(x, 1));
          grad(square(x), [x]);
        },
        { value: (op) => ops.push(op) },
      );
      tanh(x);
      expect(ops).toEqual(["tanh", "add", "mul", "customGradient", "add"]);
    });
  });

  it("lets an observer's error through, and puts everything back", () => {
    const error = new Error("from the observer");
    const fail = (): never => {
      throw error;
    };
    const x = leaf(2);
    const y = mul(x, x);
    for (const observer of [{ value: fail }, { cotangent: fail }, { kernel: fail }]) {
      expect(() => run(() => observe(() => grad(mul(y, x), [x]), observer))).toThrow(error);
      expectRestored();
    }
  });
});

describe.each(homes)("checkNumerics %s", (_, run) => {
  it("gives back what fn gives where all is finite", () => {
    run(() => {
      const x = leaf([1, 2]);
      expect(checkNumerics(() => grad(sum(tanh(x)), [x]).length)).toBe(1);
    });
  });

  it("names the op and the node of the first NaN or infinity going forward", () => {
    run(() => {
      const x = leaf([1, 0, -1]);
      let last = 0;
      const call = (): unknown =>
        checkNumerics(() => {
          const y = mul(x, 1);
          last = y.node!.id;
          return tanh(logOp({ x: y }, {}));
        });
      let message = "";
      try {
        call();
      } catch (error) {
        message = (error as Error).message;
        expect(error).toBeInstanceOf(ValueError);
      }
      const problem = `-Infinity in the value of "log" (node ${last + 1}), element 1`;
      expect(message).toBe(`checkNumerics: ${problem}; got value float64[3]; want finite numbers`);
    });
  });

  it("and going backward, where the values were finite", () => {
    run(() => {
      const x = leaf([1, 0], "x");
      const bad = customGradient((a: Tensor) => ({
        value: mul(a, 2),
        gradient: (dy) => [mul(dy, constant([1, NaN]))],
      }));
      const y = noGradValue(mul(x, 3), bad);
      expectError(
        () => checkNumerics(() => grad(y, [x], { cotangent: constant([1, 1]) })),
        ValueError,
        `checkNumerics: NaN in the value of "mul" (node 0), element 1; got value float64[2]; want finite numbers`,
      );
      const late = customGradient((a: Tensor) => ({ value: mul(a, 2), gradient: () => [constant([Infinity, 1])] }));
      const middle = mul(x, 3);
      expectError(
        () => checkNumerics(() => grad(late(middle), [x], { cotangent: constant([1, 1]) })),
        ValueError,
        `checkNumerics: Infinity in the cotangent of "mul" (node ${middle.node!.id}), element 0; got cotangent float64[2]; want finite numbers`,
      );
    });
  });
});

const noGradValue = (x: Tensor, f: (x: Tensor) => Tensor): Tensor => f(x);

describe("promises", () => {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  beforeEach(() => void process.on("unhandledRejection", onRejection));
  afterEach(() => void process.off("unhandledRejection", onRejection));

  const failing = async (): Promise<never> => {
    await Promise.resolve();
    throw new Error("later");
  };
  const x = leaf(1);
  const loose = failing as unknown as () => never;
  const places: [string, () => unknown][] = [
    ["noGrad", () => noGrad(loose)],
    ["nameScope", () => nameScope("a", loose)],
    ["observe", () => observe(loose, {})],
    ["observe", () => checkNumerics(loose)],
    ["step", () => step(loose)],
    ["valueAndGrad", () => valueAndGrad(loose as (x: Tensor) => Tensor)(x)],
    ["hvp", () => hvp(loose as (x: Tensor) => Tensor, x, x)],
    ["customGradient", () => customGradient(loose as never)(x)],
    [
      "customGradient",
      () => grad(customGradient((a: Tensor) => ({ value: mul(a, 1), gradient: loose as () => Tensor[] }))(x), [x]),
    ],
  ];

  it.each(places)("are refused by %s, and their later rejection does not end the process", async (op, call) => {
    expectError(call, ValueError, `${op}: the function returned a promise; want a synchronous function`);
    expectRestored();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(rejections).toEqual([]);
  });

  it("are refused whatever they are: anything with then()", () => {
    let asked = 0;
    const object = (then: unknown): object => ({ then }); // oxlint-disable-line unicorn/no-thenable -- such objects are what is refused
    const message = "noGrad: the function returned a promise; want a synchronous function";
    expectError(() => noGrad(() => object(() => void asked++)), ValueError, message);
    expect(asked).toBe(1);
    expect(noGrad(() => object(5))).toEqual(object(5));
  });
});

describe("a throw anywhere inside", () => {
  const error = new Error("inside");
  const fail = (): never => {
    throw error;
  };
  const x = leaf([1, 2]);
  const failingForward = defineOp({
    name: "bad",
    inputs: ["x"],
    keeps: [],
    forward: fail,
    vjp: () => ({ x: (dy) => dy }),
  });
  const failingRule = defineOp({
    name: "bad",
    inputs: ["x"],
    keeps: [],
    forward: ({ x: a }) => copy(a),
    vjp: () => ({ x: fail }),
  });
  const failingVjp = defineOp({ name: "bad", inputs: ["x"], keeps: [], forward: ({ x: a }) => copy(a), vjp: fail });
  const failingBackward = defineOp({
    name: "bad",
    inputs: ["x"],
    keeps: [],
    forward: ({ x: a }) => copy(a),
    vjp: () => ({ x: (dy) => dy }),
    backward: () => ({ x: fail }),
  });
  const down = (y: Tensor): unknown => grad(sum(mul(add(y, mul(x, x)), x)), [x]);
  const places: [string, () => unknown][] = [
    ["fn", fail],
    ["a forward", () => failingForward({ x }, {})],
    ["a thunk", () => down(failingRule({ x: tanh(x) }, {}))],
    ["a vjp", () => down(failingVjp({ x: tanh(x) }, {}))],
    ["a backward", () => down(failingBackward({ x: tanh(x) }, {}))],
    ["a rule under createGraph", () => grad(sum(failingRule({ x }, {})), [x], { createGraph: true })],
    ["a custom gradient", () => down(customGradient((a: Tensor) => ({ value: a, gradient: fail }))(x))],
    ["a function of valueAndGrad", () => valueAndGrad(fail as (a: Tensor) => Tensor)(x)],
    ["a rule of valueAndGrad", () => valueAndGrad((a: Tensor) => sum(failingRule({ x: tanh(a) }, {})))(x)],
    ["a nested step", () => step(() => (tanh(x), step(() => (mul(x, x), fail()))))],
    ["all at once", () => observe(() => nameScope("a", () => noGrad(() => step(fail))), {})],
  ];

  it.each(places)("from %s arrives unchanged and leaves everything as before", (_, call) => {
    for (const [, run] of homes) {
      let caught: unknown;
      try {
        run(call);
      } catch (thrown) {
        caught = thrown;
      }
      expect(caught).toBe(error);
      expectRestored();
    }
    expect(numbers(grad(sum(mul(x, x)), [x])[0])).toEqual([2, 4]);
  });
});
