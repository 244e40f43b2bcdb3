import { mapEntries, type Arrays, type Data } from "../arrays.ts";

/** The part of jax-js that the bench uses. An array is spent by each use of it that is not of its `ref`. */
export interface Tensor {
  readonly ref: Tensor;
  readonly shape: number[];
  dataSync(): Data;
  add(x: Tensor | number): Tensor;
  sub(x: Tensor | number): Tensor;
  mul(x: Tensor | number): Tensor;
  div(x: Tensor | number): Tensor;
  neg(): Tensor;
  sum(axis?: number): Tensor;
  reshape(shape: readonly number[]): Tensor;
  transpose(axes?: readonly number[]): Tensor;
  slice(...at: (number | [] | readonly [number, number])[]): Tensor;
}
export type Named = Readonly<Record<string, Tensor>>;

export interface Jax {
  readonly init: (device: "wasm") => Promise<readonly string[]>;
  readonly jit: <F>(f: F) => F;
  readonly valueAndGrad: <X, R extends unknown[]>(f: (x: X, ...rest: R) => Tensor) => (x: X, ...rest: R) => [Tensor, X];
  blockUntilReady(tree: unknown): Promise<unknown>;
  readonly tree: { ref<T>(tree: T): T; dispose(tree: unknown): void };
  readonly numpy: {
    array(data: Data, options: { shape: readonly number[] }): Tensor;
    zeros(shape: readonly number[]): Tensor;
    exp(x: Tensor): Tensor;
    tanh(x: Tensor): Tensor;
    sqrt(x: Tensor): Tensor;
    square(x: Tensor): Tensor;
    matmul(a: Tensor, b: Tensor): Tensor;
    take(x: Tensor, ids: Tensor, axis: number): Tensor;
    concatenate(xs: readonly Tensor[], axis: number): Tensor;
    stack(xs: readonly Tensor[], axis: number): Tensor;
  };
  readonly nn: {
    sigmoid(x: Tensor): Tensor;
    softmax(x: Tensor, axis: number): Tensor;
    logSoftmax(x: Tensor, axis: number): Tensor;
    oneHot(ids: Tensor, depth: number): Tensor;
  };
}

export const tensorsOf = ({ numpy }: Jax, inputs: Arrays): Record<string, Tensor> =>
  mapEntries(inputs, ({ shape, data }) => numpy.array(data, { shape }));

export const arraysOf = (results: Named): Arrays =>
  mapEntries(results, (x) => ({ shape: x.shape, data: x.dataSync() }));
