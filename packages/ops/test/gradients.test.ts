import { CheckError, checkGrads } from "@gradus/gradcheck";
import { opTable } from "@gradus/ops/table";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { callOf, forAll, isDifferentiable, isEmpty, leavesOf, names } from "./calls.ts";

test.each(names.filter((name) => !opTable[name].noGradient))("%s: gradient and its gradient by differences", (name) => {
  const { degree, samples } = opTable[name];
  let checked = 0;
  forAll(name, (sample, seed) => {
    const call = callOf(name, sample, "float64", seed);
    if (!isDifferentiable(call)) return;
    try {
      checkGrads(call.run, call.inputs, { seed, zero: isEmpty(call), ...(degree && { degree }) });
    } catch (error) {
      const isSample = (samples as readonly unknown[]).includes(sample);
      if (!isSample && error instanceof CheckError && error.finding === "vacuous") fc.pre(false); // draws another
      throw error;
    }
    checked++;
  });
  expect(checked).toBeGreaterThan(0);
});

test.each(names.filter((name) => opTable[name].noGradient))("%s: no gradient", (name) => {
  forAll(name, (sample, seed) => {
    const { inputs, run } = callOf(name, sample, "float64", seed);
    expect(run(...leavesOf(inputs)).requiresGrad).toBe(false);
  });
});
