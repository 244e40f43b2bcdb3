import type { Arrays } from "../arrays.ts";
import { timedAsync, type Contender, type Prepare, type Run } from "../contender.ts";
import { arraysOf, tensorsOf, type Jax, type Named, type Tensor } from "./jaxApi.ts";
import { lossOf, training } from "./jaxTraining.ts";
import { loadPackage, packageVersion } from "./package.ts";

type Work = (x: Named) => Named;

/** On its WebAssembly backend, which has one thread in Node. `variant` is "eager" or "jit". */
export async function loadJax(variant: string): Promise<Contender> {
  const jax = await loadPackage<Jax>("@jax-js/jax");
  if (!(await jax.init("wasm")).includes("wasm")) throw new Error("no wasm backend");
  return { version: packageVersion("@jax-js/jax"), workloads: workloadsOf(jax, variant === "jit") };
}

function workloadsOf(jax: Jax, jit: boolean): Contender["workloads"] {
  const { numpy, nn, valueAndGrad } = jax;
  const run = (inputs: Arrays, work: Work): Run => {
    const given = tensorsOf(jax, inputs);
    const compiled = jit ? jax.jit(work) : work;
    const once = async (): Promise<Named> => {
      const results = compiled(jax.tree.ref(given));
      await jax.blockUntilReady(results);
      return results;
    };
    return {
      time: (times) => timedAsync(times, async () => jax.tree.dispose(await once())),
      read: async () => arraysOf(await once()),
    };
  };
  const loss: Prepare = (inputs) =>
    run(inputs, ({ logits, targets, weights }) => {
      const value = (x: Tensor, t: Tensor, w: Tensor): Tensor => lossOf(jax, x, t, w);
      const [loss, dLogits] = valueAndGrad(value)(logits!, targets!, weights!);
      return { loss, dLogits };
    });
  const linearLoss: Prepare = (inputs) =>
    run(inputs, ({ hidden, weight, bias, targets, weights }) => {
      const value = (p: Named, t: Tensor, w: Tensor): Tensor => {
        const logits = numpy.matmul(p["hidden"]!, p["weight"]!.transpose()).add(p["bias"]!);
        return lossOf(jax, logits, t, w);
      };
      const params: Named = { hidden: hidden!, weight: weight!, bias: bias! };
      const [loss, grads] = valueAndGrad(value)(params, targets!, weights!);
      return { loss, dHidden: grads["hidden"]!, dWeight: grads["weight"]!, dBias: grads["bias"]! };
    });
  const matmul: Prepare = (inputs, { transposeA, transposeB }) =>
    run(inputs, ({ a, b }) => ({
      product: numpy.matmul(transposeA ? a!.transpose() : a!, transposeB ? b!.transpose() : b!),
    }));
  const functions: Readonly<Record<string, (a: Tensor, b: Tensor, c: Tensor) => Tensor>> = {
    exp: (a) => numpy.exp(a),
    tanh: (a) => numpy.tanh(a),
    sigmoid: (a) => nn.sigmoid(a),
    "tanh(a·b + c)": (a, b, c) => numpy.tanh(a.mul(b).add(c)),
  };
  const elementwise: Prepare = ({ a, b, c }, settings) => {
    const name = String(settings["function"]);
    const inputs = name === "tanh(a·b + c)" ? { a: a!, b: b!, c: c! } : { a: a! };
    return run(inputs, ({ a, b, c }) => ({ y: functions[name]!(a!, b!, c!) }));
  };
  const embedding: Prepare = (inputs) =>
    run(inputs, ({ table, ids, dy }) => {
      const f = (x: Tensor, ids: Tensor, dy: Tensor): Tensor => numpy.take(x, ids, 0).mul(dy).sum();
      const [value, dTable] = valueAndGrad(f)(table!, ids!, dy!);
      return { value, dTable };
    });
  const overhead: Prepare = (inputs, { ops }) =>
    run(inputs, ({ x }) => {
      const chain = (x: Tensor): Tensor => {
        let y = x.ref;
        for (let i = 0; i < Number(ops); i += 2) y = numpy.tanh(x.ref.add(y));
        return y.sum();
      };
      const [value, dx] = valueAndGrad(chain)(x!);
      return { value, dx };
    });
  return { loss, linearLoss, matmul, elementwise, embedding, overhead, training: training(jax, jit) };
}
