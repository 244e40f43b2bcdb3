import { DTypeError, GradusError, isTensor, ones, ShapeError, type Tensor } from "@gradus/core";
import { opTable, type OpName, type OpResult } from "@gradus/ops/table";
import { describe, expect, test } from "vitest";
import { callOf, names, opOf } from "./calls.ts";

describe.each(names)("%s", (name) => {
  test.each([...opTable[name].errors])("refuses: $message", ({ args, error, message }) => {
    const call = callOf(name, args);
    const thrown = thrownBy(() => call.run(...call.inputs));
    expect(thrown).toBeInstanceOf(error);
    expect((thrown as Error).message).toBe(message);
    expect((thrown as GradusError).op).toBe(name);
  });
});

test.each(names)("%s refuses what is no argument by an error of its own, with its shape", (name) => {
  for (const sample of opTable[name].samples) {
    const call = callOf(name, sample);
    for (const { args, put } of variants(call.args(call.inputs))) {
      const thrown = thrownBy(() => checkAnswer(name, opOf(name)(...args), args));
      if (thrown === null) continue; // some nonsense makes sense
      expect(thrown).toBeInstanceOf(GradusError);
      expect((thrown as GradusError).op).toBe(name);
      const ofTensor = thrown instanceof ShapeError || thrown instanceof DTypeError;
      if (ofTensor && isTensor(put)) expect(thrown.message).toContain(`[${put.shape.join(",")}]`);
    }
  }
});

/** Ops that answer with NaN by what they say: of nothing, of a negative base, of more corrected for than there is. */
const honest = new Set<OpName>(["div", "mean", "pow", "std", "variance"]);

/** Tensors, without a NaN that nobody put in. */
function checkAnswer(name: OpName, result: OpResult, args: readonly unknown[]): void {
  const outputs = isTensor(result) ? [result] : Object.values(result);
  expect(outputs.every(isTensor)).toBe(true);
  const put = JSON.stringify(args, (_, x: unknown) =>
    Number.isNaN(x) ? "NaN" : typeof x === "bigint" ? "a bigint" : x,
  ).includes('"NaN"');
  if (put || honest.has(name)) return;
  for (const y of outputs) expect([...y.data].some(Number.isNaN)).toBe(false);
}

function thrownBy(fn: () => unknown): unknown {
  try {
    fn();
    return null;
  } catch (error) {
    return error;
  }
}

const NONSENSE = [
  undefined,
  null,
  NaN,
  -1.5,
  99,
  "1",
  true,
  [],
  [0, 0],
  [[1], 2],
  {},
  () => 1,
  new Float32Array(2),
  3n,
  Symbol("s"),
];

/** Tensors of other ranks, lengths and dtypes than one that was right. */
function misfits({ shape, dtype }: Tensor): Tensor[] {
  const shapes = [
    [],
    [...shape, 1],
    [7, ...shape],
    shape.slice(1),
    shape.map(() => 0),
    ...shape.map((_, axis) => shape.map((length, i) => (i === axis ? length + 1 : length))),
  ];
  const dtypes = (["float32", "float64", "int32", "bool"] as const).filter((other) => other !== dtype);
  return [...shapes.map((shape) => ones(shape, { dtype })), ...dtypes.map((dtype) => ones(shape, { dtype }))];
}

/** Arguments with nonsense, which is told, in the place of one of them, of a member of a list, or of an option. */
function variants(args: readonly unknown[]): { readonly args: readonly unknown[]; readonly put: unknown }[] {
  interface Variant<T> {
    readonly whole: T;
    readonly put: unknown;
  }
  const inList = (list: readonly unknown[]): Variant<unknown[]>[] =>
    list.flatMap((part, i) =>
      inPlaceOf(part).map(({ whole, put }) => ({ whole: list.map((old, j) => (j === i ? whole : old)), put })),
    );
  const inPlaceOf = (part: unknown): Variant<unknown>[] => {
    const alone = (isTensor(part) ? [...misfits(part), ...NONSENSE] : NONSENSE).map((put) => ({ whole: put, put }));
    if (typeof part !== "object" || part === null || isTensor(part) || ArrayBuffer.isView(part)) return alone;
    if (Array.isArray(part)) return [...alone, ...inList(part)];
    const keys = Object.keys(part);
    const values = inList(Object.values(part)).map(({ whole, put }) => {
      return { whole: Object.fromEntries(whole.map((value, i) => [keys[i]!, value])), put };
    });
    return [...alone, ...values];
  };
  return inList(args).map(({ whole, put }) => ({ args: whole, put }));
}
