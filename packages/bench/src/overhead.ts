import { add, grad, step, tensor, type Tensor } from "@gradus/core";
import { mul, tanh } from "@gradus/ops";
import { measure, report } from "./measure.ts";

/** What recording and walking an op costs where the arithmetic costs nothing. */
export function benchOverhead(rounds: number): void {
  const ops = 300;
  const chain = (x: Tensor, length: number): Tensor => {
    let y = x;
    for (let i = 0; i < length; i += 3) y = mul(tanh(add(y, x)), x);
    return y;
  };
  const forwardAndBackward = (length: number) => (): void => {
    const x = tensor([0.5], { requiresGrad: true });
    grad(chain(x, length), [x]);
  };
  const timings = measure(
    [
      { name: "an op, outside step", units: ops, run: forwardAndBackward(ops) },
      { name: "an op, inside step", units: ops, run: () => step(forwardAndBackward(ops)) },
    ],
    rounds,
  );
  report("recording and walking tanh, add, mul on one element", timings, "an op, outside step");
  const lengths = measure(
    [
      { name: "an op in a chain of 10,000", units: 10_000, run: forwardAndBackward(10_000) },
      { name: "an op in a chain of 100,000", units: 100_000, run: forwardAndBackward(100_000) },
    ],
    5,
  );
  report("long chains, outside step", lengths, "an op in a chain of 10,000");
}
