import { mapEntries, type Arrays, type Data } from "../arrays.ts";
import { timedAsync, type Contender, type Prepare, type Run } from "../contender.ts";
import { onnxModel, type OnnxNode, type OnnxValue } from "./onnxModel.ts";
import { loadPackage, packageVersion } from "./package.ts";

interface Value {
  readonly dims: readonly number[];
  readonly data: Data;
}
interface Session {
  run(inputs: Readonly<Record<string, Value>>): Promise<Readonly<Record<string, Value>>>;
}
interface Onnxruntime {
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
  readonly Tensor: new (kind: "float32" | "int32", data: Data, dims: readonly number[]) => Value;
}

/** Native kernels, on one thread. It has no gradients: that of the loss is a graph of its own. */
export async function loadOnnxruntime(): Promise<Contender> {
  const library = await loadPackage<Onnxruntime>("onnxruntime-node");
  const version = packageVersion("onnxruntime-node");
  return { version, workloads: { loss: loss(library), matmul: matmul(library), elementwise: elementwise(library) } };
}

type Shapes = Readonly<Record<string, readonly number[]>>;

async function run(
  { InferenceSession, Tensor }: Onnxruntime,
  inputs: Arrays,
  nodes: readonly OnnxNode[],
  outputs: Shapes,
): Promise<Run> {
  const described = mapEntries(inputs, ({ shape, data }): OnnxValue => ({ shape, int: data instanceof Int32Array }));
  const model = onnxModel(
    nodes,
    described,
    mapEntries(outputs, (shape): OnnxValue => ({ shape })),
  );
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential" };
  const session = await InferenceSession.create(model, options);
  const feeds = mapEntries(inputs, ({ shape, data }) => {
    return new Tensor(data instanceof Int32Array ? "int32" : "float32", data, shape);
  });
  return {
    time: (times) => timedAsync(times, () => session.run(feeds)),
    read: async () => mapEntries(await session.run(feeds), ({ dims, data }) => ({ shape: dims, data })),
  };
}

/** Rows [N, V]: the log-softmax serves the value, and its exponential the gradient. */
const loss =
  (library: Onnxruntime): Prepare =>
  ({ logits, targets, weights }) => {
    const V = logits!.shape.at(-1)!;
    const N = logits!.data.length / V;
    const inputs = {
      logits: { shape: [N, V], data: logits!.data },
      targets: { shape: [N, 1], data: targets!.data },
      weights: { shape: [N, 1], data: weights!.data },
    };
    const [axis, keepdims] = [1, 0];
    const nodes: OnnxNode[] = [
      { op: "LogSoftmax", inputs: ["logits"], output: "logP", attributes: { axis } },
      { op: "GatherElements", inputs: ["logP", "targets"], output: "logPs", attributes: { axis } },
      { op: "Mul", inputs: ["logPs", "weights"], output: "terms" },
      { op: "ReduceSum", inputs: ["terms"], output: "sum", attributes: { keepdims } },
      { op: "ReduceSum", inputs: ["weights"], output: "total", attributes: { keepdims } },
      { op: "Div", inputs: ["sum", "total"], output: "mean" },
      { op: "Neg", inputs: ["mean"], output: "loss" },
      { op: "Div", inputs: ["weights", "total"], output: "scale" },
      { op: "Exp", inputs: ["logP"], output: "p" },
      { op: "Mul", inputs: ["p", "scale"], output: "scaled" },
      { op: "GatherElements", inputs: ["scaled", "targets"], output: "atLabels", attributes: { axis } },
      { op: "Sub", inputs: ["atLabels", "scale"], output: "lessOne" },
      { op: "ScatterElements", inputs: ["scaled", "targets", "lessOne"], output: "dLogits", attributes: { axis } },
    ];
    return run(library, inputs, nodes, { loss: [], dLogits: [N, V] });
  };

const matmul =
  (library: Onnxruntime): Prepare =>
  ({ a, b }, { transposeA, transposeB }) => {
    const attributes = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 };
    const nodes: OnnxNode[] = [{ op: "Gemm", inputs: ["a", "b"], output: "product", attributes }];
    const shape = [a!.shape[transposeA ? 1 : 0]!, b!.shape[transposeB ? 0 : 1]!];
    return run(library, { a: a!, b: b! }, nodes, { product: shape });
  };

const elementwise =
  (library: Onnxruntime): Prepare =>
  ({ a, b, c }, settings) => {
    const name = String(settings["function"]);
    const operators: Readonly<Record<string, string>> = { exp: "Exp", tanh: "Tanh", sigmoid: "Sigmoid" };
    const single: OnnxNode[] = [{ op: operators[name] ?? "", inputs: ["a"], output: "y" }];
    const chain: OnnxNode[] = [
      { op: "Mul", inputs: ["a", "b"], output: "ab" },
      { op: "Add", inputs: ["ab", "c"], output: "abc" },
      { op: "Tanh", inputs: ["abc"], output: "y" },
    ];
    if (name in operators) return run(library, { a: a! }, single, { y: a!.shape });
    return run(library, { a: a!, b: b!, c: c! }, chain, { y: a!.shape });
  };
