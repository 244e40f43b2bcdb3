// Faults that other libraries had, as small programs with the right answer: fixtures/engine.jsonl, a case a line.
import { add as addArrays, mul as mulArrays } from "@gradus/kernels";
import * as ops from "@gradus/ops";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  add,
  defineOp,
  DTypeError,
  full,
  grad,
  GradError,
  hvp,
  ones,
  ShapeError,
  tensor,
  type GradOptions,
  type Nested,
  type Tensor,
} from "../src/index.ts";
import { mul } from "./ops.ts";
import { expectNear, homes, watchMemory } from "./support.ts";

watchMemory();

type Instruction = [result: string, op: string, ...rest: unknown[]];
interface Case {
  readonly id: string;
  readonly scenario: {
    readonly inputs: Readonly<Record<string, { shape: number[]; data: number[]; requiresGrad?: boolean }>>;
    readonly program: readonly Instruction[];
  };
  readonly expected: {
    readonly values: Readonly<Record<string, Nested>>;
    readonly throws?: { readonly call: number | number[] };
  };
  readonly tol?: number;
}
const cases = readFileSync(new URL("fixtures/engine.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Case);

type Names = Record<string, Tensor>;
const float64 = (values: Nested): Tensor => tensor(values, { dtype: "float64" });

const addc = defineOp({
  name: "addc",
  inputs: ["a", "b"],
  keeps: [],
  forward: ({ a, b }) => addArrays(a, b),
  vjp: () => ({ a: (dy) => dy, b: (dy) => dy }),
});
const mulc = defineOp({
  name: "mulc",
  inputs: ["a", "b"],
  keeps: ["a", "b"],
  forward: ({ a, b }) => mulArrays(a, b),
  vjp: ({ a, b }) => ({ a: (dy) => mul(dy, b), b: (dy) => mul(dy, a) }),
});
const vocabulary: Record<string, (...operands: never[]) => Tensor> = {
  add: ops.add,
  mul: ops.mul,
  exp: ops.exp,
  sum: ops.sum,
  matmul: ops.matmul,
  transpose: ops.transpose,
  addc: (a: Tensor, b: Tensor) => addc({ a, b }, {}),
  mulc: (a: Tensor, b: Tensor) => mulc({ a, b }, {}),
};

/** Runs a program's steps `[result, op, operand…]`; a string names an input or an earlier result. */
function run({ scenario }: Case): Names {
  const names: Names = {};
  for (const [name, { shape, data, requiresGrad = false }] of Object.entries(scenario.inputs)) {
    names[name] = tensor(data, { shape, dtype: "float64", requiresGrad, name });
  }
  for (const [result, op, ...operands] of scenario.program) {
    if (op === "grad") {
      const [output, input, { cotangent, ...options } = {}] = operands as [string, string, Record<string, never>?];
      const all: GradOptions = cotangent === undefined ? options : { ...options, cotangent: float64(cotangent) };
      const [gradient] = grad(names[output]!, [names[input]!], all);
      names[result] = gradient;
    } else {
      const values = operands.map((operand) => (typeof operand === "string" ? names[operand]! : operand));
      names[result] = vocabulary[op]!(...(values as never[]));
    }
  }
  return names;
}

/** What a case asks to be called on the results, in order; a list of names is what the message must mention. */
interface Call {
  readonly call: (names: Names) => Tensor;
  readonly want?: Nested;
  readonly throws?: Refusal;
}
type Kind = new (...args: never[]) => Error;
interface Refusal {
  readonly type: Kind;
  readonly mentions: readonly string[];
}
const refusal = (type: Kind, ...mentions: string[]): Refusal => ({ type, mentions });
const cotangentOf =
  (cotangent: () => Tensor) =>
  ({ z, x }: Names): Tensor =>
    grad(z!, [x!], { cotangent: cotangent() })[0];
const quadratic = (a: Tensor) => (x: Tensor) => ops.sum(ops.matmul(ops.transpose(x), ops.matmul(a, x)));

const calls: Record<string, readonly Call[]> = {
  "graph-equal-expression-is-not-an-ancestor": [
    { call: ({ out, mid }) => grad(out!, [mid!])[0], throws: refusal(GradError, "inputs[0] float64[]", "not reached") },
    { call: ({ out, mid }) => grad(out!, [mid!], { unreached: "zero" })[0], want: 0 },
    { call: ({ out, x }) => grad(out!, [x!])[0], want: 8 },
  ],
  "graph-non-scalar-output-needs-a-cotangent": [
    { call: ({ y, x }) => grad(y!, [x!])[0], throws: refusal(GradError, "shape [3]", "cotangent") },
    { call: ({ y, x }) => grad(y!, [x!], { cotangent: ones([3], { dtype: "float64" }) })[0], want: [2, 4, 6] },
  ],
  "graph-cotangent-of-another-shape": [
    { call: cotangentOf(() => float64([1.5])), throws: refusal(ShapeError, "[2,2]", "float64[1]") },
    { call: cotangentOf(() => float64([1.5, 1.5])), throws: refusal(ShapeError, "[2,2]", "float64[2]") },
    { call: cotangentOf(() => float64([[1.5], [1.5]])), throws: refusal(ShapeError, "[2,2]", "float64[2,1]") },
    { call: cotangentOf(() => full([2, 2], 1.5, { dtype: "float64" })), want: [4.5, 6, 10.5, 12] },
    { call: cotangentOf(() => ones([2, 2])), throws: refusal(DTypeError, "float64", "float32[2,2]") },
  ],
  "second-order-hessian-vector-product": [
    { call: ({ A, x, v }) => hvp(quadratic(A!), x!, v!), want: [14, 34] },
    { call: ({ x, v }) => hvp((p: Tensor) => ops.sum(ops.mul(p, v!)), x!, v!), want: [0, 0] },
    {
      call: ({ A, x, v }) => {
        const f = (p: { x: Tensor; y: Tensor }): Tensor => add(quadratic(A!)(p.x), ops.sum(ops.mul(p.y, 0)));
        const product = hvp(f, { x: x!, y: x! }, { x: v!, y: v! });
        return ops.concat([product.x, product.y]);
      },
      want: [14, 34, 0, 0],
    },
    {
      call: ({ A, x }) => hvp(quadratic(A!), x!, float64([2, 5])),
      throws: refusal(ShapeError, "[2,1]", "float64[2]"),
    },
    {
      call: ({ A, x, v }) => {
        const f = (p: { w: Tensor; b: Tensor }): Tensor => ops.sum(ops.mul(quadratic(A!)(p.w), p.b));
        const product = hvp(f, { w: x!, b: float64(1) }, { w: v!, b: float64(0) });
        return ops.concat([ops.reshape(product.w, [2]), ops.reshape(product.b, [1])]);
      },
      want: [14, 34, -20], // the last: ∇f·v = (A + Aᵀ)x·v
    },
  ],
};

describe.each(homes)("cases %s", (_, inHome) => {
  it.each(cases.map((each) => [each.id, each] as const))("%s", (id, each) => {
    inHome(() => {
      const names = run(each);
      const tolerance = each.tol ?? 1e-12;
      for (const [name, want] of Object.entries(each.expected.values)) {
        if (names[name]) expectNear(names[name], [want].flat(2) as number[], tolerance);
      }
      const failing = [each.expected.throws?.call ?? []].flat();
      for (const [i, { call, want, throws }] of (calls[id] ?? []).entries()) {
        expect(failing.includes(i)).toBe(throws !== undefined);
        if (throws) {
          expect(() => call(names)).toThrow(throws.type);
          for (const text of throws.mentions) expect(() => call(names)).toThrow(text);
        } else expectNear(call(names), [want!].flat() as number[], tolerance);
      }
    });
  });
});

it("every case that asks for calls has them, and every program gives what is expected of it", () => {
  expect(cases.map(({ id }) => id)).toEqual(expect.arrayContaining(Object.keys(calls)));
  for (const each of cases) {
    const results = new Set(Object.keys(run(each)));
    const others = Object.keys(each.expected.values).filter((name) => !results.has(name));
    expect(others.filter((name) => !/^call\d$|^linear$/.test(name))).toEqual([]);
    expect(others.length > 0 || each.expected.throws !== undefined).toBe(each.id in calls);
  }
});
