import { defineOp, GradError, grad, tensor, type Tensor } from "@gradus/core";
import * as k from "@gradus/kernels";
import { mul, neg } from "@gradus/ops";
import type { OpEntry, OpName, Ops } from "@gradus/ops/table";
import { expect, test } from "vitest";

// What must not compile. These functions are never called: the type checker is the test.

export function missingThunk(): void {
  defineOp({
    name: "product",
    inputs: ["a", "b"],
    keeps: ["a", "b"],
    forward: ({ a, b }) => k.mul(a, b),
    // @ts-expect-error: no answer for b
    vjp: ({ b }) => ({ a: (dy) => mul(dy, b) }),
  });
}

export function readOfWhatIsNotKept(): void {
  defineOp({
    name: "square",
    inputs: ["x"],
    keeps: ["output"],
    forward: ({ x }) => k.mul(x, x),
    // @ts-expect-error: x is not kept
    vjp: ({ x: _ }) => ({ x: (dy) => dy }),
  });
}

export function keptWhatIsNoInput(): void {
  defineOp({
    name: "square",
    inputs: ["x"],
    // @ts-expect-error: there is no z
    keeps: ["z"],
    forward: ({ x }) => k.mul(x, x),
    vjp: () => ({ x: (dy) => dy }),
  });
}

export function attributeOfAnotherName(): void {
  defineOp({
    name: "scale",
    inputs: ["x"],
    keeps: [],
    forward: ({ x }, { factor }: { factor: number }) => k.mul(x, k.fill(x.shape, factor, x.dtype)),
    // @ts-expect-error: it is called factor
    vjp: (_, { scale: _scale }) => ({ x: (dy) => dy }),
  });
}

export function attributeOfAnotherType(x: Tensor): void {
  const scale = defineOp({
    name: "scale",
    inputs: ["x"],
    keeps: [],
    forward: ({ x }, { factor }: { factor: number }) => k.mul(x, k.fill(x.shape, factor, x.dtype)),
    vjp: (_, { factor }) => ({ x: (dy) => mul(dy, factor) }),
  });
  // @ts-expect-error: a number is wanted
  scale({ x }, { factor: "2" });
  // @ts-expect-error: x is missing
  scale({}, { factor: 2 });
}

export function opOnArrays(): void {
  defineOp({
    name: "negative",
    inputs: ["x"],
    keeps: [],
    // @ts-expect-error: arrays are no tensors
    forward: ({ x }) => neg(x),
    vjp: () => ({ x: (dy) => neg(dy) }),
  });
}

export function kernelOnTensors(): void {
  defineOp({
    name: "negative",
    inputs: ["x"],
    keeps: [],
    forward: ({ x }) => k.neg(x),
    // @ts-expect-error: tensors are no arrays
    vjp: () => ({ x: (dy) => k.neg(dy) }),
  });
}

export function entryOfAnotherOp(table: { [K in OpName]: OpEntry<Ops[K]> }): void {
  table.gather = {
    // @ts-expect-error: an index is missing
    samples: [[{ shape: [2, 3] }]],
    errors: table.gather.errors,
  };
  // @ts-expect-error: there must be samples
  table.exp = { samples: [], errors: table.exp.errors };
  // @ts-expect-error: there must be refusals
  table.exp = { samples: table.exp.samples, errors: [] };
  // @ts-expect-error: what gives a record is in the table too, with its own options
  table.topK = { samples: [[{ shape: [2] }, { count: 1 }]], errors: table.topK.errors };
  // @ts-expect-error: options are those of the op
  table.softmax = { samples: [[{ shape: [2] }, { axes: 0 }]], errors: table.softmax.errors };
}

export function tableWithoutAnOp(table: { [K in Exclude<OpName, "exp">]: OpEntry<Ops[K]> }): void {
  // @ts-expect-error: exp is missing
  const whole: { [K in OpName]: OpEntry<Ops[K]> } = table;
  void whole;
}

test("a surplus thunk is refused, by the op's name", () => {
  const surplus = defineOp({
    name: "surplus",
    inputs: ["x"],
    keeps: [],
    forward: ({ x }) => k.copy(x),
    vjp: () => ({ x: (dy: Tensor) => dy, y: (dy: Tensor) => dy }),
  });
  const x = tensor([1], { requiresGrad: true });
  const refused = (): unknown => grad(surplus({ x }, {}), [x]);
  expect(refused).toThrow(GradError);
  expect(refused).toThrow("surplus: its vjp does not answer for its inputs");
});
