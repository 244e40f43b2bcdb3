import { memoryStats, step, valueAndGrad } from "@gradus/core";
import { createParams, loss, type Batch } from "@gradus/example-g2p/model";
import { adam, createRandom, integer } from "@gradus/nn";

/** Resident memory over many training steps of a small model, with lengths that vary. */
export function benchMemory(iterations: number): void {
  console.log(`\nresident memory over ${iterations} training steps of varied length`);
  for (const inside of [true, false]) {
    const random = createRandom(5);
    const ids = (length: number): number[][] =>
      Array.from({ length: 8 }, () => Array.from({ length }, () => 3 + integer(random, 7)));
    const optimizer = adam({ learningRate: 1e-3 });
    const start = createParams({ letters: 10, phones: 10, width: 8, hidden: 16 }, random);
    let model = { params: start, state: optimizer.init(start) };
    const held: string[] = [];
    for (let i = 1; i <= iterations; i++) {
      const [s, t] = [1 + integer(random, 12), 1 + integer(random, 12)];
      const batch: Batch = { letters: ids(s), lengths: new Array<number>(8).fill(s), inputs: ids(t), targets: ids(t) };
      const train = (): typeof model => {
        const { grads } = valueAndGrad(loss)(model.params, batch);
        return optimizer.update(grads, model.state, model.params);
      };
      model = inside ? step(train) : train();
      if (i % (iterations / 10) === 0) held.push((process.memoryUsage().rss / 1e6).toFixed(0));
    }
    const { reserved } = memoryStats();
    console.log(
      `  ${inside ? "inside step" : "outside    "}  ${held.join(" ")} MB; linear memory ${reserved / 1e6} MB`,
    );
  }
}
