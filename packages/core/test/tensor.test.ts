import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import {
  add,
  arange,
  asTensor,
  broadcastTo,
  customGradient,
  DTypeError,
  eye,
  full,
  grad,
  hvp,
  isTensor,
  keep,
  ones,
  ShapeError,
  step,
  stopGradient,
  sumTo,
  tensor,
  ValueError,
  valueAndGrad,
  version,
  zeros,
  type DType,
  type Nested,
  type Tensor,
  type TypedArray,
} from "../src/index.ts";
import { constant, expectError, homes, leaf, numbers, watchMemory } from "./support.ts";

watchMemory();

/** For what the types would refuse. */
const untyped = (value: unknown): never => value as never;

describe.each(homes)("creation %s", (_, run) => {
  it("from nested arrays: float32 as they nest", () => {
    run(() => {
      const x = tensor([
        [1, 2, 3],
        [4, 5, 6.5],
      ]);
      expect([x.dtype, x.shape, x.size, x.requiresGrad, x.name]).toEqual(["float32", [2, 3], 6, false, ""]);
      expect(x.data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6.5));
    });
  });

  it("from a number: a scalar; from booleans: bool", () => {
    run(() => {
      expect([tensor(2.5).shape, tensor(2.5).toArray()]).toEqual([[], 2.5]);
      expect(tensor([[true], [false]]).data).toEqual(Uint8Array.of(1, 0));
      expect(tensor(true).toArray()).toBe(true);
    });
  });

  it.each([
    [Float32Array.of(0.1, -2), "float32"],
    [Float64Array.of(0.1, -2), "float64"],
    [Int32Array.of(3, -2), "int32"],
    [Uint8Array.of(1, 0), "bool"],
  ] as const)("from %o: %s", (values, dtype) => {
    run(() => {
      const x = tensor(values);
      expect([x.dtype, x.shape]).toEqual([dtype, [2]]);
      expect(x.data).toEqual(values);
      expect(tensor(values, { shape: [1, 2] }).shape).toEqual([1, 2]);
    });
  });

  it("to the dtype asked for: floats are rounded, booleans count as 0 and 1", () => {
    run(() => {
      expect(tensor([0.1], { dtype: "float64" }).item()).toBe(0.1);
      expect(tensor(Float64Array.of(0.1), { dtype: "float32" }).item()).toBe(Math.fround(0.1));
      expect(tensor([true, false], { dtype: "int32" }).data).toEqual(Int32Array.of(1, 0));
      expect(tensor([1, 0], { dtype: "bool" }).toArray()).toEqual([true, false]);
      expect(tensor(Float32Array.of(7, -8), { dtype: "int32" }).data).toEqual(Int32Array.of(7, -8));
    });
  });

  it("with lengths of 0", () => {
    run(() => {
      expect(tensor([]).shape).toEqual([0]);
      expect(tensor([[], []]).shape).toEqual([2, 0]);
      expect(tensor(new Float32Array(0), { shape: [3, 0] }).toArray()).toEqual([[], [], []]);
    });
  });

  it("of one value, of whole numbers, of the identity", () => {
    run(() => {
      expect(full([2, 2], 7).toArray()).toEqual([
        [7, 7],
        [7, 7],
      ]);
      expect([zeros([1]).item(), ones([1], { dtype: "int32" }).item()]).toEqual([0, 1]);
      expect(full([], 1, { dtype: "bool" }).toArray()).toBe(true);
      expect(arange(2, 5).data).toEqual(Int32Array.of(2, 3, 4));
      expect(arange(1, 0, -0.25, { dtype: "float64" }).data).toEqual(Float64Array.of(1, 0.75, 0.5, 0.25));
      expect([arange(3, 3).size, arange(3, 1).size]).toEqual([0, 0]);
      expect(eye(2).toArray()).toEqual([
        [1, 0],
        [0, 1],
      ]);
      expect([eye(0).shape, eye(1, { dtype: "bool" }).toArray()]).toEqual([[0, 0], [[true]]]);
    });
  });

  it("as leaves with a name", () => {
    run(() => {
      for (const x of [tensor([1], { requiresGrad: true, name: "w" }), zeros([1], { requiresGrad: true, name: "w" })]) {
        expect([x.requiresGrad, x.name, x.node?.op, x.node?.name]).toEqual([true, "w", "leaf", "w"]);
      }
    });
  });
});

describe("creation copies", () => {
  it("the values, so that later writes to them do not show", () => {
    const values = Float32Array.of(1, 2);
    const x = tensor(values);
    values[0] = 99;
    expect(numbers(x)).toEqual([1, 2]);
  });

  it("the shape, and freezes it", () => {
    const shape = [2, 3];
    const [x, y] = [tensor([1, 2, 3, 4, 5, 6], { shape }), full(shape, 0)];
    shape[0] = 6;
    for (const made of [x, y]) {
      expect(made.shape).toEqual([2, 3]);
      expect(() => ((made.shape as number[])[0] = 6)).toThrow(TypeError);
      expect(made.shape).toEqual([2, 3]);
    }
  });

  it("what a view shows of a larger buffer, and nothing around it", () => {
    const pooled = Buffer.from("AACAPgAAAD8AAEA/AACAPw==", "base64"); // a window of a pool that others write to
    const view = new Float32Array(pooled.buffer, pooled.byteOffset, 4);
    const x = tensor(view, { shape: [2, 2] });
    view.fill(NaN);
    expect(x.toArray()).toEqual([
      [0.25, 0.5],
      [0.75, 1],
    ]);
    expect(tensor(Buffer.from([1, 0])).dtype).toBe("bool");
    expect(numbers(tensor(new Int32Array(new SharedArrayBuffer(12), 4)))).toEqual([0, 0]);
  });

  it("arrays of another realm", () => {
    const typed = runInNewContext("Float64Array.of(1, 2)") as Float64Array;
    const nested = runInNewContext("[[1, 2], [3, 4]]") as number[][];
    expect(typed).not.toBeInstanceOf(Float64Array);
    expect(tensor(typed).data).toEqual(Float64Array.of(1, 2));
    expect(tensor(nested).shape).toEqual([2, 2]);
  });
});

describe("creation refuses", () => {
  it.each([
    [[[1, 2], [3]], "values[1] is of length 1; want a full array of shape [2,2]"],
    [
      [
        [1, 2],
        [3, 4, 5],
      ],
      "values[1] is of length 3; want a full array of shape [2,2]",
    ],
    [[[1], 2], "values[1] is not an array; want a full array of shape [2,1]"],
    [[1, [2]], "values[1] is deeper than its first neighbour; want a full array of shape [2]"],
    [[[[1, 2]], [[3]]], "values[1][0] is of length 1; want a full array of shape [2,1,2]"],
    [[[], [1]], "values[1] is of length 1; want a full array of shape [2,0]"],
  ] satisfies [Nested, string][])("ragged arrays %j, with the index", (values, problem) => {
    expectError(() => tensor(values), ShapeError, `tensor: ragged nested arrays: ${problem}`);
  });

  it.each([
    [[1, "2"], "values[1] 2"],
    [[[1], [null]], "values[1][0] null"],
    [[1, , 3], "values[1] undefined"], // oxlint-disable-line no-sparse-arrays -- the hole is what is refused
    [undefined, "values undefined"],
    [{}, "values Object"],
    [[1n], "values[0] 1"],
  ])("what is no number: %o", (values, got) => {
    const message = `tensor: not a number; got ${got}; want numbers in nested arrays`;
    expectError(() => tensor(untyped(values)), ValueError, message);
  });

  it.each([
    [
      [
        [1, 2],
        [1.5, 3],
      ],
      "int32",
      "values[1][0] 1.5; want 32-bit integers",
    ],
    [[0, NaN], "int32", "values[1] NaN; want 32-bit integers"],
    [2147483648, "int32", "values 2147483648; want 32-bit integers"],
    [[Infinity], "int32", "values[0] Infinity; want 32-bit integers"],
    [[true, false, 2], "bool", "values[2] 2; want true, false, 0 or 1"],
    [Float32Array.of(1, 0.5), "int32", "values[1] 0.5; want 32-bit integers"],
    [Uint8Array.of(0, 1, 255), "bool", "values[2] 255; want true, false, 0 or 1"],
  ] as [Nested | TypedArray, DType, string][])("values that a dtype cannot hold: %o as %s", (values, dtype, got) => {
    expectError(() => tensor(values, { dtype }), ValueError, `tensor: not a value of dtype ${dtype}; got ${got}`);
  });

  it("a number beside booleans, which make the dtype", () => {
    const message = "tensor: not a value of dtype bool; got values[1] 2; want true, false, 0 or 1";
    expectError(() => tensor([true, 2]), ValueError, message);
  });

  it.each([
    [[1.5, 2], "[1.5,2]"],
    [[-1], "[-1]"],
    [[NaN], "[NaN]"],
    [3, "3"],
    ["2", "2"],
  ])("a shape that is none: %j", (shape, got) => {
    const rest = `not a shape; got shape ${got}; want whole numbers from 0`;
    expectError(() => tensor([1, 2, 3], { shape: untyped(shape) }), ShapeError, `tensor: ${rest}`);
    expectError(() => zeros(untyped(shape)), ShapeError, `full: ${rest}`);
  });

  it("a shape of another size", () => {
    const message = "tensor: wrong number of values; got values [2,2], shape [3]; want 3 values";
    expectError(
      () =>
        tensor(
          [
            [1, 2],
            [3, 4],
          ],
          { shape: [3] },
        ),
      ShapeError,
      message,
    );
  });

  it.each([new Uint16Array(1), new BigInt64Array(1), new Uint8ClampedArray(1), new DataView(new ArrayBuffer(4))])(
    "%o, for want of a dtype",
    (values) => {
      const kind = values.constructor.name;
      const message = `tensor: no dtype for ${kind}; got values ${kind}; want Float32Array, Float64Array, Int32Array, Uint8Array`;
      expectError(() => tensor(untyped(values)), DTypeError, message);
    },
  );

  it("a dtype that is not offered", () => {
    const message = "no such dtype; got dtype float16; want float32, float64, int32, bool";
    expectError(() => tensor([1], { dtype: untyped("float16") }), DTypeError, `tensor: ${message}`);
    expectError(() => full([1], 1, { dtype: untyped("float16") }), DTypeError, `full: ${message}`);
  });

  it("gradients of what is no float", () => {
    const options = { dtype: "int32", requiresGrad: true } as const;
    const rest = "only floats take gradients; got values int32[1]; want float32 or float64";
    expectError(() => tensor([1], options), DTypeError, `tensor: ${rest}`);
    expectError(() => tensor([true], { requiresGrad: true }), DTypeError, `tensor: ${rest.replace("int32", "bool")}`);
    expectError(() => zeros([1], options), DTypeError, `full: ${rest.replace("values", "value")}`);
  });

  it("ranges without an end, and identities without a size", () => {
    const want = "want finite numbers and a step other than 0";
    expectError(() => arange(0, 3, 0), ValueError, `arange: no such range; got start 0, stop 3, step 0; ${want}`);
    expectError(
      () => arange(0, Infinity),
      ValueError,
      `arange: no such range; got start 0, stop Infinity, step 1; ${want}`,
    );
    expectError(() => arange(0, NaN), ValueError, `arange: no such range; got start 0, stop NaN, step 1; ${want}`);
    expectError(() => eye(-1), ShapeError, "eye: not a shape; got shape [-1]; want whole numbers from 0");
    expectError(() => eye(1.5), ShapeError, "eye: not a shape; got shape [1.5]; want whole numbers from 0");
  });

  it("a filling that the dtype cannot hold", () => {
    const message = "full: not a value of dtype int32; got value 0.5; want 32-bit integers";
    expectError(() => full([2], 0.5, { dtype: "int32" }), ValueError, message);
  });
});

describe("tensor-like arguments", () => {
  it("become tensors of the dtype wanted; a tensor must have it", () => {
    expect(asTensor("op", "index", [[1], [2]], "int32").data).toEqual(Int32Array.of(1, 2));
    const x = tensor([1]);
    expect(asTensor("op", "x", x, "float32")).toBe(x);
    expectError(
      () => asTensor("op", "index", x, "int32"),
      DTypeError,
      "op: wrong dtype; got index float32[1]; want int32",
    );
    const message = "op: not a value of dtype int32; got index[1] 0.5; want 32-bit integers";
    expectError(() => asTensor("op", "index", [1, 0.5], "int32"), ValueError, message);
  });
});

describe.each(homes)("reading %s", (_, run) => {
  it("data and toArray are copies, of gradients too", () => {
    run(() => {
      const x = leaf([3, 2, 1]);
      const y = add(x, x);
      const [gradient] = grad(y, [x], { cotangent: y });
      for (const [read, want] of [
        [x, [3, 2, 1]],
        [y, [6, 4, 2]],
        [gradient, [12, 8, 4]],
      ] as const) {
        read.data.reverse()[0] = 99;
        (read.toArray() as number[]).reverse()[0] = 99;
        expect(read.toArray()).toEqual(want);
        expect(numbers(read)).toEqual(want);
      }
      expect(numbers(sumTo(x, []))).toEqual([6]);
    });
  });

  it("item gives the single element, of any rank", () => {
    run(() => {
      expect([tensor(5).item(), tensor([[[5]]]).item(), tensor([true]).item()]).toEqual([5, 5, 1]);
      const message = "item: not a single element; got tensor float32[2]; want size 1";
      expectError(() => tensor([1, 2]).item(), ValueError, message);
      expectError(() => tensor([]).item(), ValueError, message.replace("[2]", "[0]"));
    });
  });

  it("prints dtype, shape and short values", () => {
    run(() => {
      expect(
        String(
          tensor([
            [1, 0.5],
            [-2, 1e-7],
          ]),
        ),
      ).toBe("float32[2,2] [[1, 0.5], [-2, 1e-7]]");
      expect(String(tensor(Math.PI, { dtype: "float64", name: "pi" }))).toBe("pi float64[] 3.1416");
      expect(String(tensor([NaN, Infinity, -Infinity, 123456789, 1e21]))).toBe(
        "float32[5] [NaN, Infinity, -Infinity, 123456792, 1e+21]",
      );
      expect(String(tensor([true, false]))).toBe("bool[2] [true, false]");
      expect([tensor([]), zeros([2, 0]), zeros([0, 2])].map(String)).toEqual([
        "float32[0] []",
        "float32[2,0] [[], []]",
        "float32[0,2] []",
      ]);
    });
  });

  it("prints the ends of long axes", () => {
    run(() => {
      expect(String(arange(0, 7))).toBe("int32[7] [0, 1, 2, 3, 4, 5, 6]");
      expect(String(arange(0, 100))).toBe("int32[100] [0, 1, 2, …, 97, 98, 99]");
      const rows = String(
        tensor(
          Int32Array.from({ length: 20 }, (__, i) => i),
          { shape: [10, 2] },
        ),
      );
      expect(rows).toBe("int32[10,2] [[0, 1], [2, 3], [4, 5], …, [14, 15], [16, 17], [18, 19]]");
    });
  });

  it("console.log shows the same, also in records", () => {
    run(() => {
      const x = tensor([1, 2], { name: "x" });
      expect(inspect(x)).toBe("x float32[2] [1, 2]");
      expect(inspect({ x })).toBe("{ x: x float32[2] [1, 2] }");
    });
  });
});

describe("two copies of the package", () => {
  const problem = "tensor: two copies of @gradus/core are loaded, and this tensor comes from the other one";
  const message = (other: string): string =>
    `${problem}; got this copy's version ${version}, the other's ${other}; want one copy: see \`npm ls @gradus/core\`, and deduplicate`;

  it("a tensor of the other copy is refused with both versions, wherever it is given", async () => {
    vi.resetModules();
    const other = await import("../src/index.ts");
    const [x, y] = [leaf([1, 2]), add(leaf(1), 1)];
    const foreign = other.tensor([1, 2], { dtype: "float64", requiresGrad: true });
    const uses: (() => unknown)[] = [
      () => isTensor(foreign),
      () => add(x, foreign),
      () => add(foreign, 1),
      () => grad(foreign, [x]),
      () => grad(y, [foreign]),
      () => grad(add(x, x), [x], { cotangent: foreign }),
      () => valueAndGrad((p: Tensor) => p)(foreign),
      () => valueAndGrad(() => foreign)(x),
      () => valueAndGrad((p: Tensor) => ({ value: sumTo(p, []), aux: [foreign] }))(x),
      () => hvp((p: Tensor) => p, x, foreign),
      () => customGradient((a: Tensor) => ({ value: a, gradient: (dy) => [dy] }))(foreign),
      () => stopGradient(foreign),
      () => keep(foreign),
      () => step(() => foreign),
      () => asTensor("op", "x", foreign, "float64"),
      () => broadcastTo(foreign, [2]),
      () => sumTo(foreign, [2]),
    ];
    for (const use of uses) expectError(use, ValueError, message(other.version));
    expect(numbers(x)).toEqual([1, 2]);
  });

  it("whatever its version", () => {
    const foreign = { tag: { library: "gradus", version: "9.9.9" }, dtype: "float32", shape: [] };
    expectError(() => isTensor(foreign), ValueError, message("9.9.9"));
  });

  it("what is no tensor is none, without an error", () => {
    for (const value of [
      null,
      undefined,
      1,
      "tensor",
      {},
      [],
      () => {},
      { tag: null },
      { tag: "gradus" },
      new Float32Array(1),
    ]) {
      expect(isTensor(value)).toBe(false);
    }
    expect(isTensor(constant(1))).toBe(true);
  });
});
