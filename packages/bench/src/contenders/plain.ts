import type { Values } from "../arrays.ts";
import { timed, type Contender, type Prepare, type Run } from "../contender.ts";

/** Loops as one writes them by hand in JavaScript, over typed arrays that are made once. */
export function loadPlain(): Contender {
  return { version: "", workloads: { loss, matmul, elementwise, embedding } };
}

function loop(results: Readonly<Record<string, Values>>, work: () => void): Run {
  const read = (): typeof results => {
    work();
    return results;
  };
  return { time: (times) => timed(times, work), read };
}

/** Value and gradient in two passes over a row; a row of weight 0 is not read. */
const loss: Prepare = ({ logits, targets, weights }) => {
  const [x, t, w] = [logits!.data, targets!.data, weights!.data];
  const V = logits!.shape.at(-1)!;
  const gradient = new Float32Array(x.length);
  const value = new Float32Array(1);
  const work = (): void => {
    let [sum, total] = [0, 0];
    for (let row = 0; row < w.length; row++) total += w[row]!;
    for (let row = 0; row < w.length; row++) {
      const [start, end] = [row * V, (row + 1) * V];
      if (w[row] === 0) {
        gradient.fill(0, start, end);
        continue;
      }
      let max = x[start]!;
      for (let i = start; i < end; i++) if (x[i]! > max) max = x[i]!;
      let exps = 0;
      for (let i = start; i < end; i++) exps += gradient[i] = Math.exp(x[i]! - max);
      const label = start + t[row]!;
      sum += w[row]! * (Math.log(exps) + max - x[label]!);
      const scale = w[row]! / total;
      for (let i = start; i < end; i++) gradient[i]! *= scale / exps;
      gradient[label]! -= scale;
    }
    value[0] = sum / total;
  };
  return loop({ loss: { shape: [], data: value }, dLogits: { shape: logits!.shape, data: gradient } }, work);
};

const matmul: Prepare = ({ a, b }, { transposeA, transposeB }) => {
  const [m, k] = transposeA ? [a!.shape[1]!, a!.shape[0]!] : [a!.shape[0]!, a!.shape[1]!];
  const n = b!.shape[transposeB ? 0 : 1]!;
  const [aRow, aColumn] = transposeA ? [1, m] : [k, 1];
  const [bRow, bColumn] = transposeB ? [1, k] : [n, 1];
  const [x, y, c] = [a!.data, b!.data, new Float32Array(m * n)];
  const work = (): void => {
    c.fill(0);
    for (let i = 0; i < m; i++) {
      for (let l = 0; l < k; l++) {
        const factor = x[i * aRow + l * aColumn]!;
        for (let j = 0; j < n; j++) c[i * n + j]! += factor * y[l * bRow + j * bColumn]!;
      }
    }
  };
  return loop({ product: { shape: [m, n], data: c } }, work);
};

const elementwise: Prepare = ({ a, b, c }, settings) => {
  const [x, y, z] = [a!.data, b!.data, c!.data];
  const out = new Float32Array(x.length);
  const loops: Readonly<Record<string, () => void>> = {
    exp: () => {
      for (let i = 0; i < x.length; i++) out[i] = Math.exp(x[i]!);
    },
    tanh: () => {
      for (let i = 0; i < x.length; i++) out[i] = Math.tanh(x[i]!);
    },
    sigmoid: () => {
      for (let i = 0; i < x.length; i++) out[i] = 1 / (1 + Math.exp(-x[i]!));
    },
    "tanh(a·b + c)": () => {
      for (let i = 0; i < x.length; i++) out[i] = Math.tanh(x[i]! * y[i]! + z[i]!);
    },
  };
  return loop({ y: { shape: a!.shape, data: out } }, loops[String(settings["function"])]!);
};

const embedding: Prepare = ({ table, ids, dy }) => {
  const [x, index, d] = [table!.data, ids!.data, dy!.data];
  const E = table!.shape[1]!;
  const [value, gradient] = [new Float32Array(1), new Float32Array(x.length)];
  const work = (): void => {
    gradient.fill(0);
    let sum = 0;
    for (let row = 0; row < index.length; row++) {
      const start = index[row]! * E;
      for (let e = 0; e < E; e++) {
        sum += x[start + e]! * d[row * E + e]!;
        gradient[start + e]! += d[row * E + e]!;
      }
    }
    value[0] = sum;
  };
  return loop({ value: { shape: [], data: value }, dTable: { shape: table!.shape, data: gradient } }, work);
};
