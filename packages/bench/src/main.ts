import { benchMatmul } from "./matmul.ts";
import { benchMemory } from "./memory.ts";
import { benchOverhead } from "./overhead.ts";
import { benchTimeSteps } from "./timeSteps.ts";
import { benchTrainingStep } from "./trainingStep.ts";

console.log(`Node ${process.version}, one thread; medians of interleaved rounds`);
benchMatmul(256, 25);
benchOverhead(101);
benchTimeSteps(41);
benchTrainingStep(41);
benchMemory(10_000);
