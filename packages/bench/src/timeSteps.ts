import { grad, step, tensor, type Tensor } from "@gradus/core";
import { add, concat, reshape, slice, stack, sum, take } from "@gradus/ops";
import { measure, report } from "./measure.ts";

const [B, E, V] = [16, 32, 50];

/** Value and gradient of T slices, T takes, a concat and a stack: the cost of a time step must not grow with T. */
export function benchTimeSteps(rounds: number): void {
  const table = tensor(new Float32Array(V * E).fill(0.1), { shape: [V, E], requiresGrad: true });
  const run = (T: number) => {
    const x = tensor(new Float32Array(T * B * E).fill(0.1), { shape: [T, B, E], requiresGrad: true });
    const ids = Array.from({ length: T }, (_, t) => Array.from({ length: B }, (_, b) => (t + b) % V));
    return (): void => {
      step(() => {
        const rows = ids.map((index, t): Tensor => {
          return add(reshape(slice(x, { start: t, end: t + 1 }), [B, E]), take(table, index));
        });
        grad(add(sum(concat(rows)), sum(stack(rows))), [x, table]);
      });
    };
  };
  const timings = measure(
    [
      { name: "a time step of 50", units: 50, run: run(50) },
      { name: "a time step of 400", units: 400, run: run(400) },
    ],
    rounds,
  );
  report("slices, takes, a concat and a stack, value and gradient", timings, "a time step of 50");
}
