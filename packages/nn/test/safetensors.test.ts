import { DTypeError, ShapeError, tensor, ValueError, type DType, type Tensor, type Tree } from "@gradus/core";
import { decodeSafetensors, encodeSafetensors, loadParams } from "@gradus/nn";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectError, expectSame } from "./helpers.ts";
import { runs, runsOfBytes, seed } from "./settings.ts";

/** Python: struct.pack("<Q", len(h)) + h + struct.pack("<4f", 1, -2, 0.5, 3e38) + struct.pack("<i", -7), h 112 bytes long. */
const byStruct = Buffer.from(
  "7000000000000000" +
    Buffer.from(
      '{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"n":{"dtype":"I32","shape":[1],"data_offsets":[16,20]}}',
    ).toString("hex") +
    "0000803f000000c00000003fe6b1617ff9ffffff",
  "hex",
);

/** Written by the reference implementation, safetensors 0.8.0 for Python. */
const byReference = Buffer.from(
  "aAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJlcG9jaCI6IjMiLCJ3aG8iOiLDvCJ9LCJsYXllcnMuMC5iaWFzIjp7ImR0eXBlIjoiRjY0Iiwic2hhcGUi" +
    "OlsyXSwiZGF0YV9vZmZzZXRzIjpbMCwxNl19LCJlbXB0eSI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMCw0XSwiZGF0YV9vZmZzZXRzIjpbMTYsMTZd" +
    "fSwiZW5jb2Rlci53ZWlnaHRJaCI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMiwzXSwiZGF0YV9vZmZzZXRzIjpbMTYsNDBdfSwic3RlcHMiOnsiZHR5" +
    "cGUiOiJJMzIiLCJzaGFwZSI6W10sImRhdGFfb2Zmc2V0cyI6WzQwLDQ0XX0sIm1hc2siOnsiZHR5cGUiOiJCT09MIiwic2hhcGUiOlszXSwiZGF0YV9v" +
    "ZmZzZXRzIjpbNDQsNDddfX0gICBVVVVVVVXVPwAAAAAAAADAAADAvwAAAL8AAAA/AADAPwAAIEAAAGBABwAAAAEAAQ==",
  "base64",
);

describe("the layout", () => {
  test("is that of Python's struct, byte by byte", () => {
    const params = {
      w: tensor([
        [1, -2],
        [0.5, 3e38],
      ]),
      n: tensor([-7], { dtype: "int32" }),
    };
    expect(Buffer.from(encodeSafetensors(params)).toString("hex")).toBe(byStruct.toString("hex"));
    const { tensors, metadata } = decodeSafetensors(byStruct);
    expect(Object.keys(tensors)).toEqual(["w", "n"]);
    expectSame(tensors.w!, params.w);
    expectSame(tensors.n!, params.n);
    expect(metadata).toEqual({});
  });

  test("is that of the reference implementation", () => {
    const { tensors, metadata } = decodeSafetensors(byReference);
    expect(metadata).toEqual({ epoch: "3", who: "ü" });
    const params = {
      layers: [{ bias: tensor([1 / 3, -2], { dtype: "float64" }) }],
      empty: tensor([], { shape: [0, 4] }),
      encoder: {
        weightIh: tensor([
          [-1.5, -0.5, 0.5],
          [1.5, 2.5, 3.5],
        ]),
      },
      steps: tensor(7, { dtype: "int32" }),
      mask: tensor([true, false, true]),
    };
    const loaded = loadParams(params, tensors);
    expectSame(loaded.layers[0]!.bias, params.layers[0]!.bias);
    expectSame(loaded.empty, params.empty);
    expectSame(loaded.encoder.weightIh, params.encoder.weightIh);
    expectSame(loaded.steps, params.steps);
    expectSame(loaded.mask, params.mask);
  });

  test("puts the widest elements first, each aligned, behind a header of whole words", () => {
    const params = { a: tensor([true]), b: tensor([1, 2, 3]), c: tensor([1], { dtype: "float64" }) };
    const bytes = encodeSafetensors(params, { note: "é" });
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<
      string,
      { data_offsets: number[] }
    >;
    expect(length % 8).toBe(0);
    expect(Object.keys(header)).toEqual(["__metadata__", "c", "b", "a"]);
    expect(["c", "b", "a"].map((key) => header[key]!.data_offsets)).toEqual([
      [0, 8],
      [8, 20],
      [20, 21],
    ]);
    expect(bytes.length).toBe(8 + length + 21);
  });
});

const array = fc
  .record({
    dtype: fc.constantFrom<DType>("float32", "float64", "int32", "bool"),
    shape: fc.array(fc.nat(3), { maxLength: 3 }),
  })
  .chain(({ dtype, shape }) => {
    const length = shape.reduce((size, n) => size * n, 1);
    const elements = {
      float32: fc.float({ noDefaultInfinity: false }),
      float64: fc.double(),
      int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      bool: fc.nat(1),
    };
    return fc
      .array<number>(elements[dtype], { minLength: length, maxLength: length })
      .map((values) => tensor(values, { shape, dtype }));
  });
const reserved = ["__proto__", "constructor", "prototype", "__metadata__"];
const name = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 6 })
  .filter((key) => !key.includes(".") && !reserved.includes(key) && !/\[|\]/.test(key));
const tree: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    array,
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.dictionary(name, tie("tree"), { maxKeys: 3, noNullPrototype: true }),
  ),
})).tree;
const model = fc.dictionary(name, tree, { maxKeys: 4, noNullPrototype: true });

function leaves(value: Tree): Tensor[] {
  if ("dtype" in value && typeof value.dtype === "string") return [value as Tensor];
  return Object.values(value as Record<string, Tree>).flatMap(leaves);
}

describe("a round trip", () => {
  test("keeps every bit, from any place in a buffer", () => {
    const metadata = fc.dictionary(name, fc.string({ unit: "binary" }), { maxKeys: 2, noNullPrototype: true });
    fc.assert(
      fc.property(model, metadata, fc.nat(9), (params, metadata, offset) => {
        const bytes = encodeSafetensors(params, metadata);
        const larger = new Uint8Array(bytes.length + 20).fill(0xff);
        larger.set(bytes, offset);
        const decoded = decodeSafetensors(larger.subarray(offset, offset + bytes.length));
        expect(decoded.metadata).toEqual(metadata);
        const loaded = loadParams(params, decoded.tensors);
        expect(JSON.stringify(Object.keys(loaded))).toBe(JSON.stringify(Object.keys(params)));
        const [got, wanted] = [leaves(loaded), leaves(params)];
        expect(got.length).toBe(wanted.length);
        got.forEach((x, i) => expectSame(x, wanted[i]!));
      }),
      { seed, numRuns: runs },
    );
  });

  test("copies: what happens to the bytes afterwards changes nothing", () => {
    const bytes = Buffer.from(encodeSafetensors({ w: tensor([1, 2]) }));
    const { w } = decodeSafetensors(bytes).tensors;
    bytes.fill(0);
    expect(w!.toArray()).toEqual([1, 2]);
  });

  test("refuses what the format cannot hold", () => {
    const w = tensor([1]);
    const encode = (params: object) => (): unknown => encodeSafetensors(params as Tree);
    expectError(
      encode({ a: { constructor: w } }),
      ValueError,
      'encodeSafetensors: no such key in the format; got "a.constructor" float32[1]; want another name',
    );
    expect(encode(JSON.parse('{"__proto__": []}') as object)).not.toThrow(); // without a tensor there is no key
    expect(encode(Object.defineProperty({}, "__proto__", { value: w, enumerable: true }))).toThrow('got "__proto__"');
    expect(encode({ __metadata__: w })).toThrow('got "__metadata__"');
    expect(encode(w)).toThrow('no such key in the format; got ""');
    expect(encode({ a: w, b: [w] })).toThrow("encodeSafetensors: the same tensor at a and b[0]");
    expect(encode({ "a.0": w, a: [tensor([2])] })).toThrow("encodeSafetensors: two tensors by the name a.0");
    expect(encode({ a: [1] })).toThrow("encodeSafetensors: not a tensor; got a[0] 1");
    expect(encode({ a: undefined })).toThrow("not a tensor; got a undefined");
    expect(encode({ a: new Map() })).toThrow("not a tensor; got a Map");
    expect(() => encodeSafetensors({ w }, { epoch: 3 } as never)).toThrow("metadata is no record of strings");
  });
});

/** A file with this header, as text or as an object, and this many bytes of data. */
function file(header: unknown, data = 0, length?: number): Uint8Array {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length ?? text.length), true);
  bytes.set(Buffer.from(text, "latin1"), 8);
  return bytes;
}
const entry = (change: object = {}): object => ({ dtype: "F32", shape: [2], data_offsets: [0, 8], ...change });

describe("malformed files", () => {
  const cases: [what: string, bytes: Uint8Array, message: string][] = [
    ["nothing", new Uint8Array(0), "too short; got bytes 0; want 8 bytes for the header's length, and the header"],
    ["seven bytes", new Uint8Array(7), "too short; got bytes 7"],
    ["no header", new Uint8Array(8), "the header does not begin with {; got byte undefined"],
    [
      "an absurd length",
      file("{}", 0, 2 ** 40),
      "an absurd header length; got header length 1099511627776; want at most 100000000",
    ],
    [
      "a header cut off",
      file("{}", 0, 3),
      "cut off in the header; got header length 3, bytes 10; want 11 bytes or more",
    ],
    ["half a header", file('{"w":'), "the header is not JSON; got error "],
    ["a header that is no UTF-8", file('{"\xff":1}'), "the header is not JSON; got error "],
    ["an array", file("[]"), "the header does not begin with {; got byte 91"],
    ["an entry that is none", file({ w: 3 }), '"w" is no entry; got "w" 3; want dtype, shape and data_offsets'],
    ["an entry that is null", file({ w: null }), '"w" is no entry; got "w" null'],
    [
      "an unknown dtype",
      file({ w: entry({ dtype: "BF16" }) }, 8),
      'unknown dtype of "w"; got dtype BF16; want F64, F32, I32, BOOL',
    ],
    [
      "a dtype from a prototype",
      file({ w: entry({ dtype: "toString" }) }, 8),
      'unknown dtype of "w"; got dtype toString',
    ],
    [
      "a negative length",
      file({ w: entry({ shape: [-2] }) }, 8),
      'no such shape of "w"; got shape [-2]; want whole numbers from 0',
    ],
    ["half a length", file({ w: entry({ shape: [0.5] }) }, 8), 'no such shape of "w"; got shape [0.5]'],
    ["a shape that is none", file({ w: entry({ shape: "2" }) }, 8), 'no such shape of "w"; got shape 2'],
    [
      "offsets backwards",
      file({ w: entry({ data_offsets: [8, 0] }) }, 8),
      'no such offsets of "w"; got dtype F32, shape [2], data_offsets [8,0]',
    ],
    [
      "one offset",
      file({ w: entry({ data_offsets: [8] }) }, 8),
      'no such offsets of "w"; got dtype F32, shape [2], data_offsets [8]',
    ],
    ["no offsets", file({ w: entry({ data_offsets: undefined }) }, 8), 'no such offsets of "w"'],
    [
      "data cut off",
      file({ w: entry() }, 7),
      '"w" lies outside the data; got dtype F32, shape [2], data_offsets [0,8]; want an end of at most 7',
    ],
    [
      "a size too small",
      file({ w: entry({ shape: [3] }) }, 8),
      'the size of "w" does not fit its shape; got dtype F32, shape [3], data_offsets [0,8]; want 12 bytes',
    ],
    ["a size of another dtype", file({ w: entry({ dtype: "F64" }) }, 8), 'the size of "w" does not fit its shape'],
    [
      "a size beyond numbers",
      file({ w: entry({ shape: [2 ** 52, 2 ** 52] }) }, 8),
      'the size of "w" does not fit its shape',
    ],
    [
      "an overlap",
      file({ a: entry(), b: entry({ data_offsets: [4, 12] }) }, 12),
      '"a" and "b" overlap; got data_offsets [4,12]; want a begin of 8',
    ],
    ["the same bytes twice", file({ a: entry(), b: entry() }, 8), '"a" and "b" overlap; got data_offsets [0,8]'],
    [
      "a gap in front",
      file({ a: entry({ data_offsets: [4, 12] }) }, 12),
      'bytes between the header and "a" belong to no tensor',
    ],
    [
      "a gap",
      file({ a: entry(), b: entry({ data_offsets: [12, 20] }) }, 20),
      'bytes between "a" and "b" belong to no tensor; got data_offsets [12,20]; want a begin of 8',
    ],
    ["bytes at the end", file({ a: entry() }, 9), "bytes at the end belong to no tensor; got bytes 1; want none"],
    [
      "a second entry of one name",
      file(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        8,
      ),
      'bytes between the header and "a" belong to no tensor',
    ],
    [
      "the key __proto__",
      file('{"__proto__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
      'the key "__proto__" is not allowed; want another name',
    ],
    ["the key constructor", file({ "a.constructor": entry() }, 8), 'the key "a.constructor" is not allowed'],
    ["the key prototype", file({ "prototype.a": entry() }, 8), 'the key "prototype.a" is not allowed'],
    ["an empty key", file({ "": entry() }, 8), 'the key "" is not allowed'],
    [
      "a BOOL of 2",
      file(Object.assign({ w: entry({ dtype: "BOOL", shape: [2], data_offsets: [0, 2] }) }), 2).map((b, i, all) =>
        i === all.length - 1 ? 2 : b,
      ),
      '"w" holds a byte that is no BOOL; got byte 2; want 0 or 1',
    ],
    [
      "metadata that are no strings",
      file({ __metadata__: { epoch: 3 } }),
      'metadata is no record of strings; got "epoch" 3; want strings by name',
    ],
    [
      "metadata that are no record",
      file({ __metadata__: ["a"] }),
      'metadata is no record of strings; got "metadata" [a]',
    ],
    [
      "metadata by the name __proto__",
      file('{"__metadata__":{"__proto__":"x"}}'),
      'metadata is no record of strings; got "__proto__" x',
    ],
  ];
  test.each(cases)("%s", (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(ValueError);
    expect(() => decodeSafetensors(bytes)).toThrow(`decodeSafetensors: ${message}`);
  });

  test("what is no Uint8Array", () => {
    expect(() => decodeSafetensors("{}" as never)).toThrow(
      "decodeSafetensors: not bytes; got bytes {}; want a Uint8Array",
    );
    expect(() => decodeSafetensors(new Float32Array(8) as never)).toThrow("decodeSafetensors: not bytes");
  });

  test("a change of any one byte is refused, or read as another file", () => {
    fc.assert(
      fc.property(fc.nat(byReference.length - 1), fc.nat(255), fc.nat(byReference.length), (at, byte, end) => {
        const changed = Uint8Array.from(byReference);
        changed[at] = byte;
        for (const bytes of [changed, changed.subarray(0, end)]) {
          try {
            decodeSafetensors(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(ValueError);
            expect((error as ValueError).message).toMatch(/^decodeSafetensors: /);
          }
        }
      }),
      { seed, numRuns: runsOfBytes },
    );
  });

  test("an empty file is well formed", () => {
    expect(decodeSafetensors(file("{}"))).toEqual({ tensors: {}, metadata: {} });
    expect(decodeSafetensors(encodeSafetensors({}))).toEqual({ tensors: {}, metadata: {} });
  });
});

describe("loadParams", () => {
  const like = { a: tensor([1, 2]), layers: [{ w: tensor([[3]]) }] };
  const right = { a: tensor([5, 6]), "layers.0.w": tensor([[7]]) };

  test("fills a tree", () => {
    const loaded = loadParams(like, right);
    expect(loaded.a).toBe(right.a);
    expect(Array.isArray(loaded.layers) && loaded.layers[0]!.w.toArray()).toEqual([[7]]);
  });

  test("names what is missing, surplus, or unlike", () => {
    const { a, "layers.0.w": w } = right;
    expectError(
      () => loadParams(like, { b: a, "layers.0.w": w, "layers.1.w": w }),
      ValueError,
      "loadParams: other keys than the parameters'; got missing [a], surplus [b,layers.1.w]; want the same keys",
    );
    expect(() => loadParams(like, { a })).toThrow("got missing [layers.0.w]; want");
    expect(() => loadParams({ toString: a }, {})).toThrow("got missing [toString]");
    expectError(
      () => loadParams(like, { ...right, a: tensor([[5, 6]]) }),
      ShapeError,
      "loadParams: a unlike the parameter; got a float32[1,2]; want [2]",
    );
    expectError(
      () => loadParams(like, { ...right, a: tensor([5, 6], { dtype: "float64" }) }),
      DTypeError,
      "loadParams: a unlike the parameter; got a float64[2]; want float32",
    );
  });
});
