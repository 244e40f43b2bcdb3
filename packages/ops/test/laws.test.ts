import {
  affine,
  backwardEqualsVjp,
  float32NearFloat64,
  sameInsideStep,
  zeroStaysZero,
  type Law,
} from "@gradus/gradcheck";
import { opTable, type OpName } from "@gradus/ops/table";
import { describe, expect, test } from "vitest";
import { callOf, forAll, isDifferentiable, names, type AnyArguments } from "./calls.ts";

/** Which law holds for which op, and in which dtypes its inputs come. */
const laws: readonly { law: Law; dtypes: readonly ("float64" | "float32")[]; of?: (name: OpName) => boolean }[] = [
  { law: backwardEqualsVjp, dtypes: ["float64", "float32"] },
  { law: float32NearFloat64, dtypes: ["float64"] },
  { law: sameInsideStep, dtypes: ["float64", "float32"] },
  { law: zeroStaysZero, dtypes: ["float64"] },
  { law: affine, dtypes: ["float64"], of: (name) => opTable[name].degree === 1 },
];

describe.each([...laws])("$law.name", ({ law, dtypes, of = () => true }) => {
  test.each(names.filter(of))("holds for %s", (name) => {
    let held = 0;
    forAll(name, (sample: AnyArguments, seed) => {
      for (const dtype of dtypes) {
        const call = callOf(name, sample, dtype, seed);
        if (law === affine && !isDifferentiable(call)) return;
        law(call.run, call.inputs, seed);
        held++;
      }
    });
    expect(held).toBeGreaterThan(0);
  });
});
