import type { Arrays } from "../arrays.ts";
import { timed, type Contender, type Prepare, type Run } from "../contender.ts";
import { arraysOf, tensorsOf, type Named, type Tensor, type Tfjs, type WasmBackend } from "./tfjsApi.ts";
import { loadPackage } from "./package.ts";
import { training } from "./tfjsTraining.ts";

/** `variant` is the backend: "wasm" or "cpu". */
export async function loadTfjs(variant: string): Promise<Contender> {
  const tf = await loadPackage<Tfjs>("@tensorflow/tfjs");
  const wasm = await loadPackage<WasmBackend>("@tensorflow/tfjs-backend-wasm");
  wasm.setThreadsCount(1);
  if (!(await tf.setBackend(variant))) throw new Error(`no backend ${variant}`);
  await tf.ready();
  return { version: tf.version_core, workloads: workloadsOf(tf) };
}

function workloadsOf(tf: Tfjs): Contender["workloads"] {
  const run = (inputs: Arrays, work: (x: Named) => Named): Run => {
    const given = tensorsOf(tf, inputs);
    return {
      time: (times) => timed(times, () => tf.tidy(() => void work(given))),
      read: () => tf.tidy(() => arraysOf(work(given))),
    };
  };
  const loss: Prepare = (inputs) => {
    const [B, T, V] = inputs["logits"]!.shape as [number, number, number];
    return run(inputs, ({ logits, targets, weights }) => {
      const [labels, w] = [tf.oneHot(tf.reshape(targets!, [B * T]), V), tf.reshape(weights!, [B * T])];
      const value = (x: Tensor): Tensor => tf.losses.softmaxCrossEntropy(labels, tf.reshape(x, [B * T, V]), w);
      const result = tf.valueAndGrad(value)(logits!);
      return { loss: result.value, dLogits: result.grad };
    });
  };
  const linearLoss: Prepare = (inputs) => {
    const [B, T, H] = inputs["hidden"]!.shape as [number, number, number];
    const V = inputs["bias"]!.data.length;
    return run(inputs, ({ hidden, weight, bias, targets, weights }) => {
      const [labels, w] = [tf.oneHot(tf.reshape(targets!, [B * T]), V), tf.reshape(weights!, [B * T])];
      const value = (hidden: Tensor, weight: Tensor, bias: Tensor): Tensor => {
        const logits = tf.add(tf.matMul(tf.reshape(hidden, [B * T, H]), weight, false, true), bias);
        return tf.losses.softmaxCrossEntropy(labels, logits, w);
      };
      const result = tf.valueAndGrads(value)([hidden!, weight!, bias!]);
      const [dHidden, dWeight, dBias] = result.grads as [Tensor, Tensor, Tensor];
      return { loss: result.value, dHidden, dWeight, dBias };
    });
  };
  const matmul: Prepare = (inputs, { transposeA, transposeB }) =>
    run(inputs, ({ a, b }) => ({ product: tf.matMul(a!, b!, transposeA === true, transposeB === true) }));
  const functions: Readonly<Record<string, (a: Tensor, b: Tensor, c: Tensor) => Tensor>> = {
    exp: (a) => tf.exp(a),
    tanh: (a) => tf.tanh(a),
    sigmoid: (a) => tf.sigmoid(a),
    "tanh(a·b + c)": (a, b, c) => tf.tanh(tf.add(tf.mul(a, b), c)),
  };
  const elementwise: Prepare = (inputs, settings) =>
    run(inputs, ({ a, b, c }) => ({ y: functions[String(settings["function"])]!(a!, b!, c!) }));
  const embedding: Prepare = (inputs) =>
    run(inputs, ({ table, ids, dy }) => {
      const { value, grad } = tf.valueAndGrad((x) => tf.sum(tf.mul(tf.gather(x, ids!), dy!)))(table!);
      return { value, dTable: grad };
    });
  const overhead: Prepare = (inputs, { ops }) =>
    run(inputs, ({ x }) => {
      const chain = (x: Tensor): Tensor => {
        let y = x;
        for (let i = 0; i < Number(ops); i += 2) y = tf.tanh(tf.add(x, y));
        return tf.sum(y);
      };
      return { dx: tf.valueAndGrad(chain)(x!).grad };
    });
  return { loss, linearLoss, matmul, elementwise, embedding, overhead, training: training(tf) };
}
