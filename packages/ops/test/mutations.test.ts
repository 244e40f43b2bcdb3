import { grad, GradError, GradusError, tensor, type Node, type Tensor } from "@gradus/core";
import { CheckError, checkGrads } from "@gradus/gradcheck";
import { mul, reshape, slice } from "@gradus/ops";
import { opTable, type OpName } from "@gradus/ops/table";
import { describe, expect, test } from "vitest";
import { callOf, isDifferentiable, isEmpty, leavesOf, names, type Call } from "./calls.ts";
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

describe.each([1.01, -1, 0])("a rule times %d is caught:", (factor) => {
  test.each([...places])("%s", (name, found) => {
    expect(found.length).toBeGreaterThan(0);
    for (const place of found) expect(findingOf(verdict(name, place, scaled(factor)))).toBe("gradient");
  });
});

describe("a wrong `backward` beside a right `vjp`, or a right composed form, is caught, and the reverse:", () => {
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

  test("in ops of two tensors, among them", () => {
    const some = ["add", "div", "divNoNan", "layerNorm", "matmul", "maximum", "mul", "mulNoNan", "pow", "sub", "where"];
    expect(broadcasts.map(({ name }) => name)).toEqual(expect.arrayContaining(some));
  });
});

/** Whether the gradient of any sample depends on where it is taken. */
function bends(name: OpName): boolean {
  return opTable[name].samples.some((sample) => {
    const call = callOf(name, sample);
    if (!isDifferentiable(call)) return false;
    const { inputs, run } = call;
    const gradientAt = (xs: readonly Tensor[]): number[] => {
      const leaves = leavesOf(xs);
      const y = run(...leaves);
      const dy = tensor(
        Float64Array.from({ length: y.size }, (_, i) => Math.cos(i)),
        { shape: y.shape, dtype: y.dtype },
      );
      return grad(y, leaves, { cotangent: dy, unreached: "zero" }).flatMap((dx) => [...dx.data]);
    };
    const moved = gradientAt(inputs.map((x) => mul(x, 1.0001)));
    return gradientAt(inputs).some((dx, i) => dx !== moved[i]);
  });
}

// A fused op has no slope of its own at second order: its composed form is made of ops that are here.
const unfused = [...places].filter(([, found]) => found.every(({ rule }) => rule.form.pull));

describe("a slope that forgets what it depends on is caught, if it depends on anything:", () => {
  test.each(unfused)("%s", (name, found) => {
    const caught = found.map((place) => verdict(name, place, forgetful)).filter((error) => error !== null);
    for (const error of caught) expect(error).toMatchObject({ finding: "gradient", place: { order: 2 } });
    expect(caught.length > 0).toBe(bends(name));
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
