import { GradError, GradusError, type Node, type Tensor } from "@gradus/core";
import { CheckError, checkGrads } from "@gradus/gradcheck";
import { reshape, slice } from "@gradus/ops";
import { opTable, type OpName } from "@gradus/ops/table";
import { describe, expect, test } from "vitest";
import { callOf, isEmpty, leavesOf, names, type Call } from "./calls.ts";
import { faulty, forgetful, nextAxis, nodesOf, rankOf, replaced, scaled, type Fault } from "./mutate.ts";

/** A rule of some node in the graph of a sample, for one of its inputs. */
interface Place {
  readonly call: Call;
  readonly node: number;
  readonly input: number;
  readonly rule: NonNullable<Node["rule"]>;
  readonly parent: Node;
}

/** Every rule that takes part in the gradient of an op's samples, but those of nothing, which cannot be wrong. */
function placesOf(name: OpName): Place[] {
  return opTable[name].samples.flatMap((sample) => {
    const call = callOf(name, sample);
    if (isEmpty(call)) return [];
    return nodesOf(call.run(...leavesOf(call.inputs))).flatMap(({ rule, parents, shape }, node) =>
      parents.flatMap((parent, input) =>
        parent && ![...parent.shape, ...shape].includes(0) ? [{ call, node, input, rule, parent }] : [],
      ),
    );
  });
}

/** What the checker says of an op with a fault in it. */
function verdict(name: OpName, { call, node, input }: Place, fault: Fault): unknown {
  const { degree } = opTable[name];
  try {
    checkGrads(faulty(call.run, { node, input }, fault), call.inputs, degree ? { degree } : {});
    return null;
  } catch (error) {
    return error;
  }
}

const findingOf = (error: unknown): string => (error instanceof CheckError ? error.finding : String(error));

const places = new Map(names.filter((name) => !opTable[name].noGradient).map((name) => [name, placesOf(name)]));

/** The ops with rules of some kind, and those rules. */
function rulesOf(kind: (place: Place) => boolean): { name: OpName; found: Place[] }[] {
  const all = [...places].map(([name, found]) => ({ name, found: found.filter(kind) }));
  return all.filter(({ found }) => found.length > 0);
}

describe.each([
  { factor: 1.01, findings: ["gradient"] },
  { factor: -1, findings: ["gradient"] },
  { factor: 0, findings: ["gradient", "vacuous"] }, // vacuous where it was the only one
])("a rule times $factor is caught:", ({ factor, findings }) => {
  test.each([...places])("%s", (name, found) => {
    expect(found.length).toBeGreaterThan(0);
    for (const place of found) expect(findings).toContain(findingOf(verdict(name, place, scaled(factor))));
  });
});

describe("a wrong `backward` beside a right `vjp` is caught, and the reverse:", () => {
  test.each(rulesOf(({ rule: { form } }) => Boolean(form.pullInto ?? form.pullAll)))("$name", ({ name, found }) => {
    for (const place of found) {
      expect(findingOf(verdict(name, place, scaled(1.01, ["backward"])))).toBe("paths");
      expect(findingOf(verdict(name, place, scaled(1.01, ["vjp"])))).toBe("paths");
    }
  });
});

describe("a broadcast that is not summed back is caught:", () => {
  const broadcasts = rulesOf(({ rule }) => rule.form.name === "broadcastTo");
  const unsummed = replaced((_, dy) => dy); // of another shape: the engine refuses it
  const firstOnly = replaced((dx, dy) => firstRow(dy, dx));

  test.each(broadcasts)("$name", ({ name, found }) => {
    for (const place of found) {
      expect(verdict(name, place, unsummed)).toBeInstanceOf(GradError);
      expect(findingOf(verdict(name, place, firstOnly))).toBe("gradient");
    }
  });

  test("in every op of two tensors", () => {
    const expected = [
      "add",
      "broadcastTo",
      "div",
      "divNoNan",
      "layerNorm",
      "matmul",
      "maximum",
      "minimum",
      "mul",
      "mulNoNan",
      "outer",
      "pow",
      "rmsNorm",
      "sub",
      "tile",
      "where",
    ];
    expect(broadcasts.map(({ name }) => name)).toEqual(expected);
  });
});

const linearByPieces = new Set<OpName>([
  "abs",
  "clip",
  "leakyRelu",
  "max",
  "maximum",
  "min",
  "minimum",
  "relu",
  "topK",
]);

describe("a slope that forgets what it depends on is caught, if it depends on anything:", () => {
  test.each([...places])("%s", (name, found) => {
    const verdicts = found.map((place) => ({
      error: verdict(name, place, forgetful),
      fused: place.rule.form.composed,
    }));
    const caught = verdicts.filter(({ error }) => error !== null);
    for (const { error, fused } of caught) {
      // A fused op's definition, run on constants, has no gradient at all.
      expect(error).toMatchObject(fused ? { finding: "paths" } : { finding: "gradient", place: { order: 2 } });
    }
    const constant = opTable[name].degree === 1 || linearByPieces.has(name);
    expect(caught.length > 0).toBe(!constant);
  });
});

describe("another axis is caught, by the checker, the engine or an op:", () => {
  test.each(rulesOf(({ rule }) => "axis" in rule.attrs && rankOf(rule) > 1))("$name", ({ name, found }) => {
    for (const place of found) expect(verdict(name, place, nextAxis)).toBeInstanceOf(GradusError);
  });
});

/** What a sum over the broadcast axes would have been if they had length 1. */
function firstRow(dy: Tensor, like: Tensor): Tensor {
  const front = dy.shape.length - like.shape.length;
  const cut = dy.shape.reduce<Tensor>((t, _, axis) => {
    return axis < front || like.shape[axis - front] === 1 ? slice(t, { axis, end: 1 }) : t;
  }, dy);
  return reshape(cut, like.shape);
}
