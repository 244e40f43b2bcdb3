import { GradusError, isTensor } from "@gradus/core";
import { opTable } from "@gradus/ops/table";
import { describe, expect, test } from "vitest";
import { callOf, names, opOf } from "./calls.ts";

describe.each(names)("%s", (name) => {
  test.each([...opTable[name].errors])("refuses: $message", ({ args, error, message }) => {
    const call = callOf(name, args);
    const thrown = thrownBy(() => call.run(...call.inputs));
    expect(thrown).toBeInstanceOf(error);
    expect((thrown as Error).message).toBe(message);
    expect((thrown as GradusError).op).toBe(name);
  });
});

test.each(names)("%s refuses what is no argument by an error of its own", (name) => {
  for (const sample of opTable[name].samples) {
    const call = callOf(name, sample);
    for (const wrong of variants(call.args(call.inputs))) {
      const thrown = thrownBy(() => opOf(name)(...wrong));
      if (thrown === null) continue; // some nonsense makes sense
      expect(thrown).toBeInstanceOf(GradusError);
      expect((thrown as GradusError).op).toBe(name);
    }
  }
});

function thrownBy(fn: () => unknown): unknown {
  try {
    fn();
    return null;
  } catch (error) {
    return error;
  }
}

const NONSENSE = [undefined, null, NaN, -1.5, "1", true, [], [[1], 2], {}, () => 1];

/** Arguments with nonsense in the place of one of them, of a member of a list, or of an option. */
function variants(args: readonly unknown[]): unknown[][] {
  return args.flatMap((argument, i) => {
    const put = (value: unknown): unknown[] => args.map((old, j) => (j === i ? value : old));
    const whole = NONSENSE.map(put);
    if (isTensor(argument) || typeof argument !== "object" || argument === null) return whole;
    if (Array.isArray(argument)) {
      return [...whole, ...NONSENSE.map((value) => put([value, ...(argument as unknown[]).slice(1)]))];
    }
    const keys = Object.keys(argument);
    return keys.flatMap((key) => NONSENSE.map((value) => put({ ...argument, [key]: value })));
  });
}
