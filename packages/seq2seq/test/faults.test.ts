import { readFileSync } from "node:fs";
import type { GradusError, Tensor } from "@gradus/core";
import { sequenceLoss, sequenceMask, type SequenceLossOptions } from "@gradus/seq2seq";
import { describe, expect, test } from "vitest";
import { evaluate, expectClose, lossFunctions, lossFunctionOf, toTensor, type JsonTensor } from "./helpers.ts";

/** A mistake that another library had, made small; the right answer was computed by a second route. */
interface Fault {
  readonly id: string;
  readonly symptom: string;
  readonly source: { readonly repo: string; readonly thread: string };
  readonly op: "sequenceLoss" | "sequenceMask";
  readonly inputs: Readonly<Record<string, JsonTensor>>;
  readonly options: SequenceLossOptions & {
    readonly lossFunction?: { readonly name: string };
    readonly labelSmoothing?: number;
  };
  readonly cotangent?: JsonTensor;
  readonly expected: {
    readonly value?: JsonTensor;
    readonly grads?: Readonly<Record<string, JsonTensor>>;
    readonly error?: string;
  };
  readonly tol: number;
}

const lines = readFileSync(new URL("faults/loss.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n");
const faults = lines.map((line) => JSON.parse(line) as Fault);

function run({ op, options: { lossFunction, labelSmoothing, ...flags } }: Fault, x: Tensor[]): Tensor {
  if (op === "sequenceMask") return sequenceMask(x[0]!);
  const own = lossFunction
    ? lossFunctionOf(lossFunction)
    : labelSmoothing && lossFunctions.labelSmoothedCE(labelSmoothing);
  return sequenceLoss(x[0]!, x[1]!, x[2]!, own ? { ...flags, softmaxLossFunction: own } : flags);
}

describe("mistakes that others met", () => {
  test.each(faults)("$id ($source.repo $source.thread)", (fault) => {
    const { inputs, cotangent, expected, tol } = fault;
    const { value, grads = {}, error } = expected;
    const names = Object.keys(inputs);
    const x = names.map((name) => toTensor(inputs[name]!, name in grads));
    if (error) {
      const thrown = (): Tensor => run(fault, x);
      expect(thrown).toThrow(/^sequenceLoss: .*float/);
      try {
        thrown();
      } catch (caught) {
        expect((caught as GradusError).name).toBe("DTypeError");
      }
      return;
    }
    const out = run(fault, x);
    const scale = (wanted: number): number => Math.max(1, Math.abs(wanted));
    expect(out.shape).toEqual(value!.shape);
    expectClose(out.data, value!.data, tol, fault.symptom, scale);
    const wanted = names.filter((name) => name in grads);
    if (wanted.length === 0) return;
    const ones = { ...value!, data: value!.data.map(() => 1), dtype: out.dtype };
    const got = evaluate(
      out,
      wanted.map((name) => x[names.indexOf(name)]!),
      toTensor(cotangent ?? ones),
    );
    wanted.forEach((name, i) => {
      const gradient = grads[name]!;
      expectClose(got.grads[i]!, gradient.data, tol, `${fault.symptom} Gradient in ${name}`, scale);
    });
  });

  test("are all here", () => {
    expect(faults.length).toBe(11);
    expect(faults.filter(({ op }) => op === "sequenceLoss").length).toBe(10);
  });
});
