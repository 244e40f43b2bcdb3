// What must not compile: the checker of types reads this file, and complains where a line that expects an error has none.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return -- to the linter what does not compile is any; the compiler still checks each line */
import * as k from "@gradus/kernels";
import { expect, expectTypeOf, it } from "vitest";
import {
  add,
  customGradient,
  defineFused,
  defineList,
  defineOp,
  flattenTree,
  grad,
  step,
  tensor,
  valueAndGrad,
  type NdArray,
  type Op,
  type Shape,
  type Tensor,
} from "../src/index.ts";

/** Code that is checked and never run. */
const compiled = (_: () => unknown): void => {};

it("a spec that would go wrong does not compile", () => {
  const spec = { name: "op", inputs: ["a", "b"], forward: ({ a }: { a: NdArray }) => a } as const;
  const vjp = (): { a: (dy: Tensor) => Tensor; b: (dy: Tensor) => Tensor } => ({ a: (dy) => dy, b: (dy) => dy });
  compiled(() => {
    defineOp({ ...spec, keeps: ["a", "output"], vjp: ({ a, output }) => ({ a: () => a, b: () => output }) });
    // @ts-expect-error: no thunk for b
    defineOp({ ...spec, keeps: [], vjp: () => ({ a: (dy: Tensor) => dy }) });
    // @ts-expect-error: b is not kept
    defineOp({ ...spec, keeps: ["a"], vjp: ({ b }) => ({ a: () => b, b: () => b }) });
    // @ts-expect-error: the output is not kept
    defineOp({ ...spec, keeps: [], vjp: ({ output }) => ({ a: () => output, b: () => output }) });
    // @ts-expect-error: there is no input c to keep
    defineOp({ ...spec, keeps: ["c"], vjp });
    // @ts-expect-error: an op is given arrays
    defineOp({ ...spec, keeps: [], vjp, forward: ({ a, b }) => add(a, b).array });
    // @ts-expect-error: forward gives a tensor
    defineOp({ ...spec, keeps: [], vjp, forward: () => tensor(1) });
    // @ts-expect-error: a thunk gives an array
    defineOp({ ...spec, keeps: [], vjp: () => ({ ...vjp(), a: (dy: Tensor) => dy.array }) });
    // @ts-expect-error: `backward` answers for a only
    defineOp({ ...spec, keeps: [], vjp, backward: () => ({ a: () => {} }) });
  });
  expect(vjp).toBeTypeOf("function");
});

it("an op is typed by its inputs, its indices and its attributes", () => {
  const op = defineOp({
    name: "op",
    inputs: ["x"],
    indices: ["index"],
    keeps: ["x"],
    forward: ({ x, index }, { axis }: { axis: number }) => k.gather(x, index, axis),
    vjp: ({ x, index, shapes }) => {
      expectTypeOf(x).toEqualTypeOf<Tensor>();
      expectTypeOf(index).toEqualTypeOf<Tensor>();
      expectTypeOf(shapes).toEqualTypeOf<{ readonly x: Shape; readonly output: Shape }>();
      return { x: (dy) => dy };
    },
  });
  expectTypeOf(op).toEqualTypeOf<Op<"x" | "index", { axis: number }>>();
  const x = tensor([1]);
  compiled(() => {
    // @ts-expect-error: no index
    op({ x }, { axis: 0 });
    // @ts-expect-error: no axis
    op({ x, index: x }, {});
    // @ts-expect-error: an axis that is no number
    op({ x, index: x }, { axis: "0" });
    // @ts-expect-error: an array for a tensor
    op({ x: x.array, index: x }, { axis: 0 });
    // @ts-expect-error: a number for a tensor
    op({ x: 1, index: x }, { axis: 0 });
  });
  expect(op).toBeTypeOf("function");
});

it("fused ops and lists are typed alike", () => {
  compiled(() => {
    defineFused({
      name: "op",
      inputs: ["x"],
      forward: ({ x }) => ({ output: x, saved: { half: x } }),
      backward: ({ x, half, output }, dy, to) => {
        expectTypeOf([x, half, output, dy]).toEqualTypeOf<NdArray[]>();
        // @ts-expect-error: an accumulator may be missing
        k.copyInto(to.x.into, 0, dy);
        // @ts-expect-error: there is no input y
        expect(to.y).toBeNull();
      },
      composed: ({ x }) => add(x, 1),
    });
    const list = { name: "op", forward: (xs: readonly NdArray[]) => xs[0]! } as const;
    const ith = (xs: readonly Tensor[]) => (_: Tensor, i: number) => xs[i]!;
    defineList({ ...list, keeps: ["xs"], vjp: ({ xs }) => ith(xs) });
    // @ts-expect-error: the list is not kept
    defineList({ ...list, keeps: ["output"], vjp: ({ xs }) => ith(xs) });
    // @ts-expect-error: there is nothing else to keep
    defineList({ ...list, keeps: ["ys"], vjp: () => (dy: Tensor) => dy });
  });
  expect(defineList).toBeTypeOf("function");
});

it("gradients come in the shape of what they are asked for", () => {
  const [x, y] = [tensor(1, { requiresGrad: true }), tensor(2, { requiresGrad: true })];
  const gradients = grad(add(x, y), [x, y]);
  expectTypeOf(gradients).toEqualTypeOf<[Tensor, Tensor]>();
  expectTypeOf(grad(add(x, y), [x, y] as Tensor[])).toEqualTypeOf<Tensor[]>();
  const params = { w: x, layers: [y] };
  const withAux = valueAndGrad((p: typeof params) => ({ value: add(p.w, p.layers[0]!), aux: { count: 1 } }));
  const result = withAux(params);
  expectTypeOf(result.grads).toEqualTypeOf<typeof params>();
  expectTypeOf(result.aux).toEqualTypeOf<{ count: number }>();
  compiled(() => {
    // @ts-expect-error: there is no third gradient
    gradients[2].item();
    // @ts-expect-error: no aux was given
    valueAndGrad((p: Tensor) => p)(x).aux.toString();
    // @ts-expect-error: the parameters of another function
    withAux({ w: x });
    // @ts-expect-error: a gradient for each argument
    customGradient((a: Tensor) => ({ value: a, gradient: (dy) => dy }));
  });
  expectTypeOf(step(() => ({ x, n: 1 }))).toEqualTypeOf<{ x: Tensor; n: number }>();
  expect([...flattenTree(result.grads).keys()]).toEqual(["w", "layers[0]"]);
});

it("a tensor cannot be written to", () => {
  const x = tensor([1]);
  compiled(() => {
    // @ts-expect-error: readonly
    x.shape[0] = 2;
    // @ts-expect-error: readonly
    x.dtype = "float64";
    // @ts-expect-error: a getter
    x.data = Float32Array.of(2);
  });
  expect(x.item()).toBe(1);
});
