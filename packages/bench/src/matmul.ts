import { step, tensor, type Tensor } from "@gradus/core";
import { createRandom } from "@gradus/nn";
import { matmul } from "@gradus/ops";
import { agree, measure, report } from "./measure.ts";

/** A square product against the two plain triple loops over Float32Array. */
export function benchMatmul(n: number, rounds: number): void {
  const random = createRandom(1);
  const values = (): Float32Array => Float32Array.from({ length: n * n }, () => random.next() - 0.5);
  const [a, b] = [values(), values()];
  const [x, y] = [a, b].map((data) => tensor(data, { shape: [n, n] })) as [Tensor, Tensor];
  const ijk = new Float32Array(n * n);
  const ikj = new Float32Array(n * n);
  const contenders = [
    {
      name: "gradus, inside step",
      units: 8,
      run: () => step(() => void Array.from({ length: 8 }, () => matmul(x, y))),
    },
    { name: "gradus, outside", run: () => void matmul(x, y) },
    { name: "loop ijk", run: () => loopIjk(n, a, b, ijk) },
    { name: "loop ikj", run: () => loopIkj(n, a, b, ikj) },
  ];
  loopIjk(n, a, b, ijk);
  loopIkj(n, a, b, ikj);
  agree("matmul", matmul(x, y).data, ijk, 1e-4);
  agree("loop ikj", ikj, ijk, 1e-4);
  report(`matmul ${n}³, float32`, measure(contenders, rounds), "gradus, inside step");
}

function loopIjk(n: number, a: Float32Array, b: Float32Array, c: Float32Array): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let total = 0;
      for (let k = 0; k < n; k++) total += a[i * n + k]! * b[k * n + j]!;
      c[i * n + j] = total;
    }
  }
}

function loopIkj(n: number, a: Float32Array, b: Float32Array, c: Float32Array): void {
  c.fill(0);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const x = a[i * n + k]!;
      for (let j = 0; j < n; j++) c[i * n + j]! += x * b[k * n + j]!;
    }
  }
}
