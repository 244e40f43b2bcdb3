// The model as the example writes it, of fused layers, against the same model of single steps and plain ops.
import { flattenTree, grad, mapTree, observe, step, tensor, zeros, type Tensor, type TensorLike } from "@gradus/core";
import { createRandom, embedding, gruCell, type GruParams } from "@gradus/nn";
import { add, cast, concat, matmul, notEqual, softmax, squeeze, stack, slice, tanh, where } from "@gradus/ops";
import { sequenceLoss } from "@gradus/seq2seq";
import { expect, test } from "vitest";
import { createParams, loss, PAD, START, type Batch, type Params } from "../src/model.ts";

const sizes = { letters: 6, phones: 7, width: 5, hidden: 9 };
const batch: Batch = {
  letters: [
    [1, 2, 3, 1],
    [5, 4, 0, 0],
    [2, 2, 5, 0],
  ],
  lengths: [4, 2, 3],
  inputs: [
    [START, 3, 4],
    [START, 6, 0],
    [START, 5, 5],
  ],
  targets: [
    [3, 4, 2],
    [6, 2, 0],
    [5, 5, 2],
  ],
};

/** gruCell, one step after the other; a row that has ended keeps its state and gives 0. */
function steps(params: GruParams, xs: Tensor, first: Tensor, lengths: readonly number[]): readonly [Tensor, Tensor] {
  let state = first;
  const outputs = Array.from({ length: xs.shape[1]! }, (_, t) => {
    const goesOn = tensor(lengths.map((length) => [t < length]));
    const next = gruCell(params, squeeze(slice(xs, { axis: 1, start: t, end: t + 1 }), { axis: 1 }), state);
    state = where(goesOn, next, state);
    return where(goesOn, next, 0);
  });
  return [stack(outputs, { axis: 1 }), state];
}

function composedLoss(params: Params, { letters, lengths, inputs, targets }: Batch): Tensor {
  const [B, S, T] = [lengths.length, letters[0]!.length, inputs[0]!.length];
  const linear = ({ weight, bias }: Params["output"], x: Tensor): Tensor =>
    add(matmul(x, weight, { transposeB: true }), bias);
  const start = zeros([B, sizes.hidden], { dtype: params.letters.weight.dtype as "float32" });
  const [memory, last] = steps(params.encoder, embedding(params.letters, letters), start, lengths);
  const all = new Array<number>(B).fill(T);
  const [states] = steps(params.decoder, embedding(params.phones, inputs), last, all);
  const mask: TensorLike = lengths.map((length) => [Array.from({ length: S }, (_, s) => s < length)]);
  const scores = matmul(matmul(states, params.attention.weight), memory, { transposeB: true });
  const context = matmul(softmax(scores, { mask }), memory);
  const attentional = tanh(linear(params.combine, concat([context, states], { axis: -1 })));
  const ids = tensor(targets, { dtype: "int32" });
  return sequenceLoss(linear(params.output, attentional), ids, notEqual(ids, PAD));
}

const paramsOf = (dtype: "float32" | "float64"): Params =>
  mapTree(createParams(sizes, createRandom(1)), (x) =>
    tensor(cast(x, dtype).data, { shape: x.shape, requiresGrad: true }),
  );

test.each([
  ["float32", 1e-5],
  ["float64", 1e-12],
] as const)("fused layers give the loss and all gradients of single steps, %s", (dtype, tolerance) => {
  const params = paramsOf(dtype);
  const leaves = [...flattenTree(params).values()];
  const run = (of: typeof loss): Tensor[] => {
    const value = of(params, batch);
    return [value, ...grad(value, leaves)];
  };
  const wanted = run(composedLoss);
  for (const got of [run(loss), step(() => run(loss))]) {
    expect(got.length).toBe(1 + 15);
    got.forEach((x, i) => {
      const most = Math.max(...x.data.map((value: number, j: number) => Math.abs(value - wanted[i]!.data[j]!)));
      expect(most, `result ${i}`).toBeLessThan(tolerance);
    });
  }
});

test("the fused kernels run", () => {
  const params = paramsOf("float32");
  const [ops, kernels]: [string[], string[]] = [[], []];
  const seen = { value: (op: string) => ops.push(op), kernel: (name: string) => kernels.push(name) };
  observe(() => grad(loss(params, batch), [...flattenTree(params).values()]), seen);
  expect(ops).toEqual(expect.arrayContaining(["embeddedGru", "luongAttention", "linear"]));
  expect(ops).not.toContain("matmul");
  expect(kernels).toEqual(expect.arrayContaining(["gruGates_f32", "gruGatesGrad_f32", "gemm_f32"]));
});
