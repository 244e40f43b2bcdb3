import { mapEntries, type Arrays } from "../arrays.ts";
import { timed, type Prepare } from "../contender.ts";
import { LEARNING_RATE, type ParameterName } from "../model.ts";
import { arraysOf, tensorsOf, type Tensor, type Tfjs, type Variable } from "./tfjsApi.ts";

type Params = Readonly<Record<ParameterName, Variable>>;

/** Rows of a table by one-hot rows, as the wasm backend has no kernel for the gradient of `gather`. */
export const training =
  (tf: Tfjs): Prepare =>
  (inputs, { V }) => {
    tf.disposeVariables(); // those of the last case have the same names
    const { source, input, target, weights, ...parameters } = tensorsOf(tf, inputs);
    const params = mapEntries(parameters, (x, name) => tf.variable(x, true, name)) as Params;
    const [B, T] = source!.shape as [number, number];
    const flat = { target: tf.reshape(target!, [B * T]), weights: tf.reshape(weights!, [B * T]) };
    const loss = (): Tensor => {
      const labels = tf.oneHot(flat.target, Number(V));
      return tf.losses.softmaxCrossEntropy(labels, logitsOf(tf, params, source!, input!), flat.weights);
    };
    const optimizer = tf.train.adam(LEARNING_RATE);
    const train = (): void => {
      const { value, grads } = tf.variableGrads(loss);
      optimizer.applyGradients(grads);
      tf.dispose([value, grads]);
    };
    const read = (): Arrays =>
      tf.tidy(() => {
        const { value, grads } = tf.variableGrads(loss);
        return arraysOf({ loss: value, ...grads });
      });
    return { time: (times) => timed(times, train), read };
  };

/** [B·T, V] */
function logitsOf(tf: Tfjs, p: Params, source: Tensor, input: Tensor): Tensor {
  const [B, T] = source.shape as [number, number];
  const [V, E] = p["source.weight"].shape as [number, number];
  const H = p["encoder.weightHh"].shape[1]!;
  const embed = (weight: Tensor, ids: Tensor): Tensor =>
    tf.matMul(tf.oneHot(tf.reshape(tf.transpose(ids), [T * B]), V), weight); // [T·B, E]
  const linear = (x: Tensor, weight: Tensor, bias: Tensor): Tensor => tf.add(tf.matMul(x, weight, false, true), bias);
  const gru = (name: "encoder" | "decoder", xs: Tensor, h0: Tensor): Tensor[] => {
    const inputs = linear(tf.reshape(xs, [T * B, E]), p[`${name}.weightIh`], p[`${name}.biasIh`]);
    let h = h0;
    return tf.split(inputs, T, 0).map((x) => {
      const [xr, xz, xn] = tf.split(x, 3, 1) as [Tensor, Tensor, Tensor];
      const gates = tf.split(linear(h, p[`${name}.weightHh`], p[`${name}.biasHh`]), 3, 1);
      const [hr, hz, hn] = gates as [Tensor, Tensor, Tensor];
      const [r, z] = [tf.sigmoid(tf.add(xr, hr)), tf.sigmoid(tf.add(xz, hz))];
      const n = tf.tanh(tf.add(xn, tf.mul(r, hn)));
      return (h = tf.add(n, tf.mul(z, tf.sub(h, n))));
    });
  };
  const encoded = gru("encoder", embed(p["source.weight"], source), tf.zeros([B, H]));
  const decoded = gru("decoder", embed(p["target.weight"], input), encoded.at(-1)!);
  const [memory, outputs] = [tf.stack(encoded, 1), tf.stack(decoded, 1)]; // [B, T, H]
  const queries = tf.reshape(tf.matMul(tf.reshape(outputs, [B * T, H]), p["attention.weight"]), [B, T, H]);
  const context = tf.matMul(tf.softmax(tf.matMul(queries, memory, false, true)), memory);
  const both = tf.reshape(tf.concat([context, outputs], 2), [B * T, 2 * H]);
  return linear(tf.tanh(linear(both, p["combine.weight"], p["combine.bias"])), p["output.weight"], p["output.bias"]);
}
