import { describe, expect, it } from "vitest";
import {
  DTypeError,
  GradError,
  GradusError,
  IndexError,
  MemoryError,
  ShapeError,
  show,
  ValueError,
} from "../src/index.ts";

describe("errors", () => {
  it("read op, problem, what was given and what was wanted", () => {
    const error = new ShapeError(
      "op",
      "what is wrong",
      { x: { dtype: "float32", shape: [2, 3] }, axis: 4 },
      "something else",
    );
    expect(error.message).toBe("op: what is wrong; got x float32[2,3], axis 4; want something else");
    expect(error).toMatchObject({
      name: "ShapeError",
      op: "op",
      problem: "what is wrong",
      got: { x: "float32[2,3]", axis: "4" },
      want: "something else",
    });
  });

  it("leave out the parts that there are not", () => {
    expect(new ValueError("op", "wrong").message).toBe("op: wrong");
    expect(new ValueError("op", "wrong", { x: 1 }).message).toBe("op: wrong; got x 1");
    expect(new ValueError("op", "wrong", {}, "right").message).toBe("op: wrong; want right");
  });

  it.each([DTypeError, GradError, IndexError, MemoryError, ShapeError, ValueError])(
    "%o is a GradusError and an Error",
    (Kind) => {
      const error = new Kind("op", "wrong");
      expect(error).toBeInstanceOf(GradusError);
      expect(error).toBeInstanceOf(Error);
      expect(error.name).toBe(Kind.name);
    },
  );

  it.each([
    [{ dtype: "bool", shape: [] }, "bool[]"],
    [[1, [2, "a"]], "[1,[2,a]]"],
    ["text", "text"],
    [null, "null"],
    [undefined, "undefined"],
    [-0.5, "-0.5"],
    [Math.max, "function max"],
    [new Map(), "Map"],
    [Object.create(null), "object"],
    [Symbol("s"), "Symbol(s)"],
  ])("shows %o as %s", (value, text) => {
    expect(show(value)).toBe(text);
  });
});
