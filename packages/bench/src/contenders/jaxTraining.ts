import { mapEntries, type Arrays } from "../arrays.ts";
import { timedAsync, type Prepare } from "../contender.ts";
import { LEARNING_RATE, type ParameterName } from "../model.ts";
import { arraysOf, tensorsOf, type Jax, type Named, type Tensor } from "./jaxApi.ts";

type Params = Readonly<Record<ParameterName, Tensor>>;
type Batch = Readonly<Record<"source" | "input" | "target" | "weights", Tensor>>;
type State = { readonly params: Params; readonly m: Named; readonly v: Named; readonly t: Tensor };

const [BETA1, BETA2, EPSILON] = [0.9, 0.999, 1e-8];

export const training =
  (jax: Jax, jit: boolean): Prepare =>
  (inputs) => {
    const { numpy, tree, valueAndGrad } = jax;
    const maybeJit = <F>(f: F): F => (jit ? jax.jit(f) : f);
    const gradients = (params: Params, batch: Batch): [Tensor, Params] =>
      valueAndGrad((params: Params, batch: Batch) => modelLoss(jax, params, batch))(params, batch);
    const train = maybeJit((state: State, batch: Batch): [Tensor, State] => {
      const [value, grads] = gradients(tree.ref(state.params), batch);
      return [value, adam(jax, state, grads)];
    });
    const read = maybeJit(gradients);

    const { source, input, target, weights, ...parameters } = tensorsOf(jax, inputs);
    const [params, batch] = [parameters as Params, { source, input, target, weights } as Batch];
    const zeros = (): Named => mapEntries(params, (x) => numpy.zeros(x.shape));
    const t = numpy.array(new Float32Array([1]), { shape: [] });
    let state: State = { params: tree.ref(params), m: zeros(), v: zeros(), t };
    const once = async (): Promise<void> => {
      const [value, next] = train(state, tree.ref(batch));
      state = next;
      await jax.blockUntilReady([value, state]);
      tree.dispose(value);
    };
    return {
      time: (times) => timedAsync(times, once),
      read: (): Arrays => {
        const [loss, grads] = read(tree.ref(params), tree.ref(batch));
        return arraysOf({ loss, ...grads });
      },
    };
  };

function adam({ numpy }: Jax, { params, m, v, t }: State, grads: Named): State {
  const power = (beta: number): Tensor => numpy.exp(t.ref.mul(Math.log(beta)));
  const [scaleM, scaleV] = [power(BETA1), power(BETA2)].map((x) => x.neg().add(1)) as [Tensor, Tensor];
  const newM = mapEntries(grads, (g, name) => m[name]!.mul(BETA1).add(g.ref.mul(1 - BETA1)));
  const newV = mapEntries(grads, (g, name) => v[name]!.mul(BETA2).add(numpy.square(g).mul(1 - BETA2)));
  const newParams = mapEntries(params as Named, (p, name) => {
    const floor = numpy.sqrt(newV[name]!.ref.div(scaleV.ref)).add(EPSILON);
    return p.sub(newM[name]!.ref.div(scaleM.ref).mul(LEARNING_RATE).div(floor));
  });
  return { params: newParams as Params, m: newM, v: newV, t: t.add(1) };
}

/** Σ w·ce / Σ w. Labels are one-hot, as jit refuses the gradient of `takeAlongAxis`. */
export function lossOf({ nn }: Jax, logits: Tensor, targets: Tensor, weights: Tensor): Tensor {
  const labels = nn.oneHot(targets, logits.shape.at(-1)!);
  const ce = nn.logSoftmax(logits, -1).mul(labels).sum(-1).neg();
  return ce.mul(weights.ref).sum().div(weights.sum());
}

/** Rows of a table by one-hot rows: jit refuses the gradient of `take`. Each parameter is spent at its last use. */
function modelLoss(jax: Jax, p: Params, { source, input, target, weights }: Batch): Tensor {
  const { numpy, nn } = jax;
  const [B, T] = source.shape as [number, number];
  const [V, H] = [p["source.weight"].shape[0]!, p["encoder.weightHh"].shape[1]!];
  const embed = (weight: Tensor, ids: Tensor): Tensor => numpy.matmul(nn.oneHot(ids, V), weight); // [B, T, E]
  const linear = (x: Tensor, weight: Tensor, bias: Tensor): Tensor => numpy.matmul(x, weight.transpose()).add(bias);
  const gru = (name: "encoder" | "decoder", xs: Tensor, h0: Tensor): { outputs: Tensor; last: Tensor } => {
    const inputs = linear(xs, p[`${name}.weightIh`], p[`${name}.biasIh`]);
    const states: Tensor[] = [];
    let h = h0;
    for (let t = 0; t < T; t++) {
      const x = inputs.ref.slice([], t); // [B, 3H]
      const gates = linear(h.ref, p[`${name}.weightHh`].ref, p[`${name}.biasHh`].ref);
      const part = (of: Tensor, gate: number): Tensor => of.ref.slice([], [gate * H, (gate + 1) * H]);
      const r = nn.sigmoid(part(x, 0).add(part(gates, 0)));
      const z = nn.sigmoid(part(x, 1).add(part(gates, 1)));
      const n = numpy.tanh(part(x, 2).add(r.mul(part(gates, 2))));
      h = n.ref.add(z.mul(h.sub(n)));
      states.push(h.ref);
    }
    return { outputs: numpy.stack(states, 1), last: h };
  };
  const memory = gru("encoder", embed(p["source.weight"], source), numpy.zeros([B, H]));
  const { outputs } = gru("decoder", embed(p["target.weight"], input), memory.last);
  const queries = numpy.matmul(outputs.ref, p["attention.weight"]);
  const scores = numpy.matmul(queries, memory.outputs.ref.transpose([0, 2, 1]));
  const context = numpy.matmul(nn.softmax(scores, -1), memory.outputs);
  const both = numpy.concatenate([context, outputs], -1);
  const attentional = numpy.tanh(linear(both, p["combine.weight"], p["combine.bias"]));
  return lossOf(jax, linear(attentional, p["output.weight"], p["output.bias"]), target, weights);
}
