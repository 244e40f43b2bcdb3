import { Command, InvalidArgumentError } from "commander";
import type { Options } from "./g2p.ts";

const g2p = () => import("./g2p.ts"); // loaded once there is something on the screen

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new InvalidArgumentError("Give a whole number from 0.");
}

const program = new Command("g2p").description("Learns to pronounce English words, from letters to phones.");
const command = (name: string, description: string): Command =>
  program.command(name).description(description).option("--model <file>", "the model's file", "g2p.safetensors");
const DATA = ["--data <file>", "lines of WORD<tab>P H O N E S in place of the CMU pronouncing dictionary"] as const;
const training = (name: string, description: string): Command =>
  command(name, description)
    .option(...DATA)
    .option("--seed <n>", "seed of all random numbers", wholeNumber, 1)
    .option("--steps <n>", "training steps of 64 words", wholeNumber, 3000)
    .hook("preAction", () => console.log("gradus · from letters to phones · reading the dictionary"));
training("demo", "train, then evaluate on words held out from training").action(async (options: Options) => {
  const { learn, report } = await g2p();
  await report(...(await learn(options)));
});
training("train", "train and save").action(async (options: Options) => void (await (await g2p()).learn(options)));
command("evaluate", "error rates of a saved model on held-out words")
  .option(...DATA)
  .action(async ({ model, data }: Options) => (await g2p()).evaluateSaved(model, data));
command("predict", "pronounce words")
  .argument("<words...>")
  .action(async (words: string[], { model }: Options) => (await g2p()).predict(words, model));

process.once("SIGINT", () => {
  if (process.stdout.isTTY) process.stdout.write("\u001b[?25h\n"); // the progress line has hidden the cursor
  process.exit(130);
});
try {
  await program.parseAsync();
} catch (error) {
  const expected = error instanceof Error && ("code" in error || "op" in error); // the system's, or ours
  console.error(expected ? (error as Error).message : error);
  process.exitCode = 1;
}
