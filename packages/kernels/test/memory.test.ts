import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as k from "../src/index.ts";
import { blockSize, memory } from "../src/memory.ts";
import { filled, generator, randoms, seed } from "./support.ts";

const MB = 2 ** 20;
const defaults = { limit: 2 ** 32, wasm: true, poison: false };

/** Runs `fn` in a step of its own. */
function inStep<R>(fn: (scope: k.Scope) => R): R {
  const scope = k.openScope("step", true);
  try {
    return fn(scope);
  } finally {
    k.closeScope(scope, "was made in a step that has ended");
  }
}

const ordinary = (values: ArrayLike<number>, shape: k.Shape = [values.length]): k.NdArray =>
  k.wrap(Float32Array.from(values), shape, "float32");
const values = (x: k.NdArray): number[] => [...k.copyOut(x.storage)];

beforeEach(() => k.configure({ ...defaults, poison: true }));
afterEach(() => {
  expect(k.currentScope()).toBeNull();
  expect(k.memoryStats()).toMatchObject({ live: 0, blocks: 0 });
});

describe(`sizes of blocks, seed ${seed}`, () => {
  const bytes = fc.integer({ min: 0, max: 40 * MB });

  it("a block holds what was asked for, whole cache lines of it", () => {
    fc.assert(
      fc.property(bytes, (n) => {
        expect(blockSize(n)).toBeGreaterThanOrEqual(Math.max(1, n));
        expect(blockSize(n) % 64).toBe(0);
      }),
    );
  });

  it("more bytes never get a smaller block, and a block's size is its own block's", () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(blockSize(Math.min(a, b))).toBeLessThanOrEqual(blockSize(Math.max(a, b)));
        expect(blockSize(blockSize(a))).toBe(blockSize(a));
      }),
    );
  });

  it("an octave has four sizes, so that at most a fifth of a block is waste", () => {
    for (let low = 256; low < MB; low *= 2) {
      const sizes = new Set(
        Array.from({ length: 257 }, (_, i) => blockSize(low + 1 + Math.floor((i * (low - 1)) / 256))),
      );
      expect([...sizes]).toEqual([1.25, 1.5, 1.75, 2].map((factor) => factor * low));
    }
  });

  it("up to 256 bytes the sizes are cache lines, above 1 MB pieces of 64 KB", () => {
    expect([0, 1, 64, 65, 128, 200, 256].map(blockSize)).toEqual([64, 64, 64, 128, 128, 256, 256]);
    expect([MB, MB + 1, 10 * MB, 10 * MB + 1].map((n) => blockSize(n) / 65536)).toEqual([16, 17, 160, 161]);
  });
});

describe("the life of the memory", () => {
  it("importing the package takes no memory; the first kernel does", async () => {
    vi.resetModules();
    const fresh = await import("../src/index.ts");
    expect(fresh.memoryStats()).toEqual({ reserved: 0, live: 0, peak: 0, blocks: 0 });
    fresh.add(ordinary([1]), ordinary([2]));
    expect(fresh.memoryStats()).toEqual({ reserved: 4 * MB, live: 0, peak: 0, blocks: 0 });
  });

  it("blocks are aligned to 64 bytes and taken again once free", () => {
    inStep(() => {
      const pointers = [3, 100, 1000].map((n) => k.empty([n], "float32").storage.pointer);
      for (const pointer of pointers) expect(pointer % 64).toBe(0);
      const first = k.empty([40], "float64");
      const at = first.storage.pointer;
      k.release(first.storage, "was released");
      expect(k.empty([33], "float64").storage.pointer).toBe(at);
    });
  });

  it("memoryStats counts what is live, the peak of the step, and blocks", () => {
    inStep(() => {
      const x = k.empty([64], "float32");
      k.empty([1024], "float64");
      expect(k.memoryStats()).toMatchObject({ live: 256 + 8192, peak: 256 + 8192, blocks: 2 });
      k.release(x.storage, "was released");
      expect(k.memoryStats()).toMatchObject({ live: 8192, peak: 256 + 8192, blocks: 1 });
    });
    expect(k.memoryStats()).toMatchObject({ live: 0, peak: 256 + 8192, blocks: 0 });
    inStep(() => expect(k.memoryStats().peak).toBe(0));
  });

  it("when the outermost step ends the lists are forgotten, so that varied lengths do not creep", () => {
    const random = generator(seed);
    const start = memory().top;
    let reach = 0;
    for (let round = 0; round < 300; round++) {
      const n = 1000 + Math.floor(random() * 9000);
      inStep(() => {
        for (let i = 0; i < 8; i++) k.empty([n + 64 * i], "float32");
        reach = Math.max(reach, memory().top - start);
      });
      expect(memory().top).toBe(start);
    }
    expect(reach).toBeLessThanOrEqual(8 * blockSize(4 * (10_000 + 8 * 64)));
  });

  it("an inner step gives its blocks back to the outer one, which uses them again", () => {
    inStep(() => {
      for (let i = 0; i < 20; i++) inStep(() => k.empty([1000], "float32"));
      expect(k.memoryStats()).toMatchObject({ live: 0, blocks: 0, peak: 4096 });
      expect(memory().top - memory().base).toBe(4096);
    });
  });

  it("settings change outside of steps only", () => {
    inStep(() => {
      k.empty([1], "float32");
      expect(() => k.configure({ poison: false })).toThrow(new k.MemoryError("configure", "not inside a step"));
    });
  });

  it("freed blocks are overwritten when poisoned", () => {
    inStep(() => {
      const x = filled(k, [5], 1, "float32");
      k.release(x.storage, "was released");
      expect(values(k.empty([5], "float32"))).toEqual([NaN, NaN, NaN, NaN, NaN]);
    });
  });

  it.each([true, false])("a view kept across an allocation is empty when poisoned; with WebAssembly: %s", (wasm) => {
    for (const poison of [true, false]) {
      k.configure({ wasm, poison });
      inStep(() => {
        const kept = filled(k, [5], 1, "float32");
        const { u8 } = memory();
        k.empty([5], "float32");
        expect(u8.length).toBe(poison ? 0 : memory().u8.length);
        expect(values(kept)).toEqual([1, 1, 1, 1, 1]);
      });
    }
  });
});

describe("scopes", () => {
  it("outside of a step arrays are ordinary, inside they are blocks", () => {
    expect(k.empty([2], "int32").storage).toMatchObject({ pointer: 0, array: new Int32Array(2) });
    inStep(() => expect(k.empty([2], "int32").storage.array).toBeNull());
    const walk = k.openScope("walk", false);
    expect(k.empty([2], "bool").storage.array).toEqual(new Uint8Array(2));
    k.closeScope(walk, "ended");
  });

  it("an array of a scope that has ended says why at its next use", () => {
    const x = inStep(() => filled(k, [2, 3], 1, "float32"));
    const message = "memory: an array that was made in a step that has ended; got array float32[2,3]";
    for (const use of [() => k.copyOut(x.storage), () => k.add(x, x), () => k.sum(x, [0]), () => k.copy(x)]) {
      expect(use).toThrow(message);
    }
  });

  it("an adopted array lives on in the scope that adopted it", () => {
    inStep((step) => {
      const rule = k.openScope("rule", true);
      const [kept, lost] = [filled(k, [1], 1, "float32"), filled(k, [1], 2, "float32")];
      k.adopt(kept.storage, rule, step);
      k.closeScope(rule, "was a temporary");
      expect(values(kept)).toEqual([1]);
      expect(() => values(lost)).toThrow("memory: an array that was a temporary; got array float32[1]");
    });
  });

  it("adopting what was born elsewhere changes nothing", () => {
    inStep((step) => {
      const x = filled(k, [1], 1, "float32");
      const [outer, inner] = [k.openScope("rule", true), k.openScope("rule", true)];
      k.adopt(x.storage, inner, outer);
      k.closeScope(inner, "ended");
      k.closeScope(outer, "ended");
      expect(x.storage.scope).toBe(step);
      expect(values(x)).toEqual([1]);
    });
  });

  it("a reshaped array shares its elements", () => {
    const x = ordinary([1, 2, 3, 4]);
    expect(k.reshaped(x, [2, 2])).toEqual({ dtype: "float32", shape: [2, 2], storage: x.storage });
  });
});

describe("ordinary arrays in a step", () => {
  const stagedBlocks = (): number => k.memoryStats().blocks;

  it("are copied in once, however often they are used", () => {
    const x = ordinary(randoms(100, "float32", generator(seed)));
    inStep(() => {
      const y = k.exp(x);
      const blocks = stagedBlocks();
      k.addTo(y, x, x);
      k.copyInto(y, 0, x);
      k.matmulInto(k.reshaped(y, [10, 10]), 0, k.reshaped(x, [10, 10]), false, k.reshaped(x, [10, 10]), true);
      expect(stagedBlocks()).toBe(blocks);
    });
  });

  it("are read, not written: what they hold is somebody's from outside", () => {
    const outside = ordinary([1, 2, 3]);
    inStep(() => {
      const block = (shape: k.Shape): k.NdArray => k.copy(ordinary([1, 1, 1].slice(0, shape.at(-1)), shape));
      const x = block([3]);
      const matrix = { ...outside, shape: [1, 3] };
      for (const write of [
        () => k.addInto(outside, x),
        () => k.tanhGrad(outside, 1, x, x),
        () => k.matmulInto(matrix, 0, block([1, 1]), false, block([1, 3]), false),
      ]) {
        expect(write).toThrow("kernel: an array from outside the step was to be written; got array float32[3]");
      }
    });
    expect(values(outside)).toEqual([1, 2, 3]);
    inStep(() => k.copyInto(outside, 1, k.copy(ordinary([1, 1, 1])))); // the twin finds them where they are
    expect(values(outside)).toEqual([2, 3, 4]);
  });

  it("scopes of rules do not count: the copy belongs to the step", () => {
    const x = ordinary([1, 2, 3]);
    inStep((step) => {
      for (let i = 0; i < 3; i++) {
        const walk = k.openScope("walk", true);
        const rule = k.openScope("rule", true);
        k.exp(x);
        k.closeScope(rule, "ended");
        k.closeScope(walk, "ended");
        expect(stagedBlocks()).toBe(1);
      }
      expect([...step.staged!.keys()]).toEqual([x.storage]);
    });
  });

  it("are packed for the second product by them, and then no more", () => {
    const [w, x] = [ordinary([1, 2, 3, 4, 5, 6], [2, 3]), ordinary([1, 2, 3, 4], [2, 2])];
    const want = values(k.matmul(x, false, w, false));
    const forms: string[] = [];
    const before = k.observeKernels((form) => forms.push(form));
    inStep(() => {
      for (let i = 0; i < 4; i++) expect(values(k.matmul(x, false, w, false))).toEqual(want);
      const transposed = k.matmul(w, true, x, true); // another form, and another factor
      expect(values(transposed)).toEqual([9, 19, 12, 26, 15, 33]);
    });
    k.observeKernels(before);
    expect(forms.filter((form) => form === "packFactor_f32")).toHaveLength(1);
    expect(forms.filter((form) => form === "gemm_f32")).toHaveLength(5);
  });

  it("are not packed if they are large, and arrays of the step never are, which may change", () => {
    const forms: string[] = [];
    const before = k.observeKernels((form) => forms.push(form));
    inStep(() => {
      const [x, large] = [filled(k, [2, 600], 1, "float32"), ordinary(new Float32Array(600 * 600), [600, 600])];
      const own = filled(k, [600, 4], 1, "float32");
      for (const factor of [1, 2, 3]) {
        k.matmul(x, false, large, false);
        k.scaleInto(own, 0, own, factor);
        expect(values(k.matmul(x, false, own, false))[0]).toBe(600 * [1, 2, 6][factor - 1]!);
      }
    });
    k.observeKernels(before);
    expect(forms).not.toContain("packFactor_f32");
  });

  it("an inner step uses the outer one's copy, and frees its own", () => {
    const [x, y] = [ordinary([1, 2, 3]), ordinary([4, 5, 6])];
    inStep(() => {
      k.exp(x);
      const blocks = stagedBlocks();
      inStep(() => {
        k.exp(x);
        expect(stagedBlocks()).toBe(blocks + 1); // the result
        k.exp(y);
        expect(stagedBlocks()).toBe(blocks + 3); // another, and y
      });
      expect(stagedBlocks()).toBe(blocks);
    });
  });
});

describe.each([true, false])("growing, WebAssembly: %s", (wasm) => {
  const n = 700_000; // 2.8 MB: two of them do not fit into the first 4 MB
  const x = Float32Array.from({ length: n }, (_, i) => (i % 1000) - 500);
  const negated = x.map((value) => -value);
  const first = (data: ArrayLike<number>): number[] => [data[0]!, data[1]!, data[n - 1]!];

  beforeEach(() => k.configure({ wasm }));

  it("in the middle of an op, while it takes its result and copies its operands in", () => {
    inStep(() => {
      const before = filled(k, [100], 7, "float32");
      expect(k.memoryStats().reserved).toBe(4 * MB);
      const sum = k.add(ordinary(x), ordinary(x));
      const [turned, total] = [k.transpose(k.reshaped(sum, [7, n / 7]), [1, 0]), k.sum(sum, [0])];
      expect(k.memoryStats().reserved).toBeGreaterThan(4 * MB);
      expect(first(k.copyOut(sum.storage))).toEqual(first(x).map((value) => 2 * value));
      expect(k.copyOut(turned.storage)[1]).toBe(2 * x[n / 7]!);
      expect(values(total)[0]).toBe(2 * x.reduce((a, b) => a + b, 0));
      expect(values(before)).toEqual(new Array(100).fill(7));
    });
  });

  it("outside of a step, for rows that are wider than the memory", () => {
    const y = k.softmax(ordinary(x, [1, n]), null, 1);
    expect(values(y).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 4);
    expect(first(k.copyOut(k.neg(ordinary(x)).storage))).toEqual(first(negated));
  });

  it("outside of a step, for a product of matrices, all of whose operands are copied in", () => {
    const y = k.matmul(ordinary(x, [1, n]), false, ordinary(new Array<number>(n).fill(1), [n, 1]), false);
    expect(values(y)[0]).toBeCloseTo(-n / 2, -2);
  });
});

describe.each([true, false])("out of memory, WebAssembly: %s", (wasm) => {
  beforeEach(() => k.configure({ limit: 8 * MB, wasm }));
  const want = "want a smaller batch, shorter sequences, or several steps";

  it("names the largest tensors of the step, also those of enclosing scopes", () => {
    const error = (): unknown =>
      inStep(() => {
        k.empty([100, 5000], "float32");
        inStep(() => {
          const rule = k.openScope("rule", true);
          try {
            k.empty([10], "float64");
            k.empty([300_000], "int32");
            k.empty([7, 100_000], "bool");
            k.empty([1_200_000], "float32");
          } finally {
            k.closeScope(rule, "ended");
          }
        });
      });
    expect(error).toThrow(k.MemoryError);
    expect(error).toThrow(
      "memory: out of tensor memory: 4 MB in use by this step, 5 MB more asked for; the largest tensors: " +
        `float32[100,5000] (2.0 MB), int32[300000] (1.2 MB), bool[7,100000] (0.7 MB); ${want}`,
    );
  });

  it("leaves everything as it was: smaller arrays still fit, in this step and the next", () => {
    inStep(() => {
      const x = filled(k, [1000], 3, "float32");
      expect(() => k.empty([3 * MB], "float32")).toThrow(k.MemoryError);
      expect(k.memoryStats()).toMatchObject({ live: 4096, blocks: 1 });
      expect(values(k.add(x, x))).toEqual(new Array(1000).fill(6));
    });
    inStep(() => expect(values(filled(k, [2], 1, "float32"))).toEqual([1, 1]));
  });

  it("the limit is reached exactly, not only in large pieces", () => {
    inStep(() => {
      for (let i = 0; i < 7; i++) k.empty([MB / 4], "float32");
      expect(k.memoryStats().reserved).toBeLessThanOrEqual(8 * MB);
      expect(() => k.empty([MB / 4], "float32")).toThrow(k.MemoryError);
    });
  });
});

it("a product outside of a step that does not fit says so, and the next one works", () => {
  k.configure({ limit: 5 * MB });
  const big = ordinary(new Array<number>(MB).fill(1), [1, MB]);
  expect(() => k.matmul(big, false, big, true)).toThrow(
    "memory: out of tensor memory: 0 MB in use by this step, 8 MB more asked for; the largest tensors: none, only the " +
      "arguments of one operation; want a smaller batch, shorter sequences, or several steps",
  );
  expect(values(k.matmul(ordinary([1, 2], [1, 2]), false, ordinary([3, 4], [2, 1]), false))).toEqual([11]);
});

it("an argument of a step that does not fit says so", () => {
  k.configure({ limit: 4 * MB });
  const big = ordinary(new Array<number>(MB).fill(1));
  inStep(() => {
    expect(() => k.sum(big, [0])).toThrow(
      "memory: out of tensor memory: 0 MB in use by this step, 4 MB more asked for; the largest tensors: an argument of " +
        "the step; want a smaller batch, shorter sequences, or several steps",
    );
  });
});

it("rows that end where the memory ends are read like all others", () => {
  k.configure({ limit: 4 * MB });
  inStep(() => {
    let last = filled(k, [15], 1, "float32");
    for (;;) {
      try {
        last = filled(k, [15], 1, "float32");
      } catch {
        break; // full
      }
    }
    expect(k.sumOfSquares(last)).toBe(15);
    const rows = k.reshaped(last, [3, 5]);
    k.softmaxGrad(rows, 0, rows, rows, 1);
    expect(values(last)).toEqual(new Array(15).fill(1 - 5));
  });
});

it("kernels work on blocks above 2 GB, whose addresses are negative as 32-bit numbers", () => {
  k.configure({ poison: false });
  inStep(() => {
    k.empty([2 ** 31], "bool"); // only its range of addresses: pages that nobody touches cost nothing
    const x = k.copy(ordinary([1, 2, 3, 4, 5, 6], [2, 3]));
    expect(x.storage.pointer).toBeGreaterThan(2 ** 31);
    expect(values(k.add(x, x))).toEqual([2, 4, 6, 8, 10, 12]);
    expect(values(k.transpose(x, [1, 0]))).toEqual([1, 4, 2, 5, 3, 6]);
    expect(values(k.sum(x, [1]))).toEqual([6, 15]);
    expect(values(k.matmul(x, false, x, true))).toEqual([14, 32, 32, 77]);
    expect(values(k.logSumExp(x, null, 1))[0]).toBeCloseTo(3.4076059, 6);
    expect(values(k.take(x, k.wrap(Int32Array.of(1, 0), [2], "int32"), 0))).toEqual([4, 5, 6, 1, 2, 3]);
  });
});
