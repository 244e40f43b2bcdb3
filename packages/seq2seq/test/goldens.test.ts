import { readFileSync } from "node:fs";
import { hvp, isTensor, tensor, type Tensor } from "@gradus/core";
import { mul, sum } from "@gradus/ops";
import { sequenceLoss, sequenceMask, type SequenceLossOptions } from "@gradus/seq2seq";
import { describe, expect, test } from "vitest";
import { evaluate, expectClose, lossFunctionOf, toTensor, type JsonTensor } from "./helpers.ts";

interface Golden {
  readonly name: string;
  readonly inputs: { readonly logits: JsonTensor; readonly targets: JsonTensor; readonly weights: JsonTensor };
  readonly options: SequenceLossOptions & {
    readonly lossFunction?: { readonly name: string };
    readonly tangent?: JsonTensor;
    readonly lengths?: readonly number[];
  };
  readonly differentiable?: readonly string[];
  readonly cotangent?: { readonly out: JsonTensor };
  readonly expected?: { readonly out: JsonTensor };
  readonly expected64?: { readonly out: JsonTensor };
  readonly grads?: Readonly<Record<string, JsonTensor>>;
  readonly optionalGrads?: Readonly<Record<string, JsonTensor>>;
  readonly expectedHvp?: JsonTensor;
  readonly ignore?: Readonly<Record<string, readonly number[]>>;
  readonly scales?: Readonly<Record<string, number>>;
  readonly scale: number;
  readonly tolerance?: number;
  readonly tags?: readonly string[];
  readonly expectError?: boolean;
}

/** Computed by PyTorch 1.13; the file's description says how. */
const file = new URL("goldens/sequence_loss.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Golden[] };
const compared = { values: 0, gradients: 0, hvps: 0, errors: 0, lengths: 0 };

describe("PyTorch's numbers", () => {
  test.each(cases)("$name", (golden) => {
    const { inputs, expected, differentiable = [], optionalGrads = {} } = golden;
    const { lossFunction, tangent, lengths, ...flags } = golden.options;
    const options = lossFunction ? { ...flags, softmaxLossFunction: lossFunctionOf(lossFunction) } : flags;
    const leaf = (name: keyof Golden["inputs"]): Tensor =>
      toTensor(inputs[name], differentiable.includes(name) || name in optionalGrads);
    const [logits, targets, weights] = [leaf("logits"), leaf("targets"), leaf("weights")];
    if (golden.expectError) {
      expect(() => sequenceLoss(logits, targets, weights, options)).toThrow(/^sequenceLoss: /);
      compared.errors++;
      return;
    }
    const tolerance = golden.tolerance ?? (golden.tags?.includes("extreme") ? 1e-9 : 1e-10);
    const allowed = (key: string): number => tolerance * (golden.scales?.[key] ?? golden.scale);
    const names = ["logits", "targets", "weights"].filter(
      (name) => differentiable.includes(name) || name in optionalGrads,
    );
    const leaves = { logits, targets, weights };
    const cotangent = toTensor(golden.cotangent!.out);
    const wanted = { ...golden.grads, ...optionalGrads };

    const out = sequenceLoss(logits, targets, weights, options);
    const got = evaluate(
      out,
      names.map((name) => leaves[name as keyof typeof leaves]),
      cotangent,
    );
    expect(got.shape).toEqual(expected!.out.shape);
    expectClose(got.value, expected!.out.data, allowed("out"), "value");
    if (golden.expected64) expectClose(got.value, golden.expected64.out.data, allowed("out"), "value in float64");
    compared.values++;
    names.forEach((name, i) => {
      const skipped = golden.ignore?.[name] ?? [];
      const keep = (_: unknown, j: number): boolean => !skipped.includes(j);
      const gradient = got.grads[i]!.filter(keep);
      expectClose(gradient, wanted[name]!.data.filter(keep), allowed(`grad:${name}`), `gradient in ${name}`);
      compared.gradients++;
    });
    if (tangent) {
      const scalar = (x: Tensor): Tensor => sum(mul(sequenceLoss(x, targets, weights, options), cotangent));
      const product = hvp(scalar, toTensor(inputs.logits), toTensor(tangent));
      expectClose(product.data, golden.expectedHvp!.data, allowed("hvp"), "Hessian times tangent");
      compared.hvps++;
    }
    if (lengths) {
      const mask = sequenceMask(tensor([...lengths], { dtype: "int32" }), { maxLength: logits.shape[1]! });
      expect(isTensor(mask) && mask.dtype).toBe("bool");
      const masked = evaluate(sequenceLoss(logits, targets, mask, options), [logits], cotangent);
      expectClose(masked.value, expected!.out.data, allowed("out"), "value with sequenceMask");
      expectClose(masked.grads[0]!, golden.grads!.logits!.data, allowed("grad:logits"), "gradient with sequenceMask");
      compared.lengths++;
    }
  });

  test("were all compared", () => {
    expect(cases.length).toBe(97);
    expect(compared).toEqual({ values: 92, gradients: 185, hvps: 7, errors: 5, lengths: 4 });
  });
});
