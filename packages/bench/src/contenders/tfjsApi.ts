import { mapEntries, type Arrays, type Data } from "../arrays.ts";

/** The part of TensorFlow.js that the bench uses. */
export interface Tensor {
  readonly shape: readonly number[];
  dataSync(): Data;
  dispose(): void;
}
export interface Variable extends Tensor {
  readonly name: string;
}
export type Named = Readonly<Record<string, Tensor>>;
type Shape = readonly number[];

export interface Tfjs {
  readonly version_core: string;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tidy<T>(f: () => T): T;
  dispose(tensors: unknown): void;
  disposeVariables(): void;
  tensor(data: Data, shape: Shape, dtype: "float32" | "int32"): Tensor;
  variable(start: Tensor, trainable: boolean, name: string): Variable;
  valueAndGrad(f: (x: Tensor) => Tensor): (x: Tensor) => { value: Tensor; grad: Tensor };
  valueAndGrads(
    f: (x: Tensor, y: Tensor, z: Tensor) => Tensor,
  ): (xs: readonly Tensor[]) => { value: Tensor; grads: Tensor[] };
  variableGrads(f: () => Tensor): { value: Tensor; grads: Record<string, Tensor> };
  readonly train: { adam(learningRate: number): { applyGradients(grads: Record<string, Tensor>): void } };
  readonly losses: { softmaxCrossEntropy(labels: Tensor, logits: Tensor, weights: Tensor): Tensor };

  add(a: Tensor, b: Tensor): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor): Tensor;
  exp(x: Tensor): Tensor;
  tanh(x: Tensor): Tensor;
  sigmoid(x: Tensor): Tensor;
  softmax(x: Tensor): Tensor;
  sum(x: Tensor): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  transpose(x: Tensor, axes?: readonly number[]): Tensor;
  oneHot(ids: Tensor, depth: number): Tensor;
  gather(table: Tensor, ids: Tensor): Tensor;
  reshape(x: Tensor, shape: Shape): Tensor;
  concat(xs: readonly Tensor[], axis: number): Tensor;
  stack(xs: readonly Tensor[], axis: number): Tensor;
  unstack(x: Tensor, axis: number): Tensor[];
  split(x: Tensor, parts: number, axis: number): Tensor[];
  zeros(shape: Shape): Tensor;
}

export interface WasmBackend {
  setThreadsCount(threads: number): void;
}

export const tensorsOf = (tf: Tfjs, inputs: Arrays): Record<string, Tensor> =>
  mapEntries(inputs, ({ shape, data }) => tf.tensor(data, shape, data instanceof Int32Array ? "int32" : "float32"));

export const arraysOf = (results: Named): Arrays =>
  mapEntries(results, (x) => ({ shape: x.shape, data: x.dataSync() }));
