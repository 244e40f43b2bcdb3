import { grad, GradusError, tensor, type DType, type Shape, type Tensor } from "@gradus/core";
import { layerNorm } from "@gradus/ops";
import type { OpName } from "@gradus/ops/table";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { opOf } from "./calls.ts";

type Value = number | "NaN" | "Infinity" | "-Infinity";
interface Data {
  readonly shape: Shape;
  readonly data: readonly Value[];
  readonly dtype?: DType;
}
/** The name of an input, a number, or an op with its operands. */
type Expression = string | number | Application;
interface Application extends ReadonlyArray<Expression> {
  readonly 0: string;
}

/** A mistake that another library had, made small; the right answer was computed by a second route. */
interface Fault {
  readonly id: string;
  readonly source: { readonly repo: string; readonly thread: string };
  readonly op: string;
  readonly inputs: Readonly<Record<string, Data>>;
  readonly options: {
    readonly expr?: Expression;
    readonly let?: readonly (readonly [name: string, value: Expression])[];
  };
  readonly cotangent?: Data;
  readonly expected: {
    readonly value?: Data;
    readonly grads?: Readonly<Record<string, Data>>;
    /** The gradient of ⟨tangent, gradient in wrt⟩. */
    readonly second?: {
      readonly wrt: string;
      readonly tangent: Data;
      readonly grads: Readonly<Record<string, Data>>;
    };
    /** The kind of error, and what its message must mention. */
    readonly error?: readonly [kind: string, ...mentions: string[]];
  };
  readonly tol: number;
}

const faults = readFileSync(new URL("faults/ops.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Fault);

type Op = (...args: unknown[]) => Tensor;
const op = (name: string): Op => opOf(name as OpName) as Op;

const toTensor = ({ shape, data, dtype = "float64" }: Data, requiresGrad = false): Tensor =>
  tensor(data.map(Number), { shape, dtype, requiresGrad });

function run({ op: name, options, inputs }: Fault, x: Readonly<Record<string, Tensor>>): Tensor {
  const { expr, let: names = [], ...others } = options;
  const all = Object.keys(inputs).map((name) => x[name]!);
  if (name === "concat") return op(name)(all, others);
  if (name === "layerNorm") return layerNorm(x.x!, { gamma: x.gamma!, beta: x.beta!, ...others });
  if (!expr) return op(name)(...all, ...(Object.keys(others).length > 0 ? [others] : []));
  const known = new Map<string, Tensor>(Object.entries(x));
  const valueOf = (part: Expression): Tensor | number => {
    if (typeof part === "string") return known.get(part)!;
    return typeof part === "number" ? part : op(part[0])(...part.slice(1).map((operand) => valueOf(operand)));
  };
  for (const [name, value] of names) known.set(name, valueOf(value) as Tensor);
  return valueOf(expr) as Tensor;
}

function expectClose(got: Tensor, { shape, data }: Data, tolerance: number): void {
  expect(got.shape).toEqual(shape);
  got.data.forEach((value, i) => {
    const want = Number(data[i]);
    const near = Math.abs(value - want) <= tolerance * Math.max(1, Math.abs(want));
    if (!near && value !== want) expect.fail(`element ${i}: got ${value}, want ${want}`);
  });
}

describe.each([false, true])("mistakes that others met, with createGraph %s:", (createGraph) => {
  test.each(faults)("$id ($source.repo $source.thread)", (fault) => {
    const { inputs, cotangent, expected, tol } = fault;
    const { value, grads = {}, second, error } = expected;
    const x = Object.fromEntries(
      Object.entries(inputs).map(([name, data]) => [
        name,
        toTensor(data, data.dtype !== "int32" && data.dtype !== "bool"),
      ]),
    );
    if (error) {
      const [kind, ...mentions] = error;
      const thrown = thrownBy(() => run(fault, x));
      expect(thrown).toBeInstanceOf(GradusError);
      expect((thrown as GradusError).name).toBe(kind);
      for (const words of mentions) expect((thrown as GradusError).message).toContain(words);
      return;
    }
    const y = run(fault, x);
    expectClose(y, value!, tol);
    const names = Object.keys(grads);
    if (names.length === 0) return;
    const leaves = names.map((name) => x[name]!);
    const dy = toTensor({ ...cotangent!, dtype: y.dtype });
    grad(y, leaves, { cotangent: dy, createGraph }).forEach((dx, i) => expectClose(dx, grads[names[i]!]!, tol));
    if (!second) return;
    const [dx] = grad(y, [x[second.wrt]!], { cotangent: dy, createGraph: true });
    for (const [name, want] of Object.entries(second.grads)) {
      expectClose(grad(dx, [x[name]!], { cotangent: toTensor(second.tangent) })[0], want, tol);
    }
  });
});

test("they are all here", () => {
  expect(faults.length).toBe(18);
});

function thrownBy(fn: () => unknown): unknown {
  try {
    fn();
    return null;
  } catch (error) {
    return error;
  }
}
