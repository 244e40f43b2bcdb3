import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { opTable } from "@gradus/ops/table";
import { describe, expect, test } from "vitest";
import { checkReference, opSources, page, reference, type Table } from "../scripts/ops.ts";

test("docs/ops.md says what the doc comments and the table say", () => {
  const text = readFileSync(fileURLToPath(new URL(`../../${page}`, import.meta.url)), "utf8");
  checkReference(text, opTable, opSources());
});

describe("the reference page", () => {
  const source = [
    "export interface HalfOptions extends BaseOptions {",
    "  /** Default: 2. */",
    "  readonly by?: number;",
    "}",
    "/**",
    " * y = x/by,",
    " * halved.",
    " * @throws RangeError for a `by` of 0.",
    " * @source Euclid, Elements",
    " * @example",
    " * console.log(half(tensor([4]))); // => float32[1] [2]",
    " */",
    "export function half(",
    "  x: Tensor,",
    "  options: HalfOptions = {},",
    "): Tensor {",
    "  return halfOp({ x }, {});",
    "}",
    "/** Whether x is odd. */",
    "export const odd: Unary = /* @__PURE__ */ unary();",
  ].join("\n");
  const others = [
    "export type Unary = (x: Tensor) => Tensor;",
    "export interface BaseOptions {\n  readonly name?: string;\n}",
  ];
  const refusal = (message: string): Table[string] => ({ errors: [{ error: RangeError, message }] });
  const table: Table = {
    odd: { ...refusal("odd: no"), noGradient: "the result is bool" },
    half: { ...refusal("half: got by 0"), degree: 1 },
  };
  const text = reference(table, [source, ...others]);

  test("has signature, options, text, tags, degree and errors, in order of names", () => {
    expect(text.slice(text.indexOf("[half](#half)"))).toBe(`[half](#half) ·
[odd](#odd)

## half

\`\`\`ts
half(
  x: Tensor,
  options: HalfOptions = {},
): Tensor

interface HalfOptions extends BaseOptions {
  /** Default: 2. */
  readonly by?: number;
}

interface BaseOptions {
  readonly name?: string;
}
\`\`\`

y = x/by,
halved.

Throws RangeError for a \`by\` of 0.

Source: Euclid, Elements.

A polynomial of degree 1 in all its floats together.

\`\`\`ts
console.log(half(tensor([4]))); // => float32[1] [2]
\`\`\`

\`\`\`text
RangeError: half: got by 0
\`\`\`

## odd

\`\`\`ts
odd(x: Tensor): Tensor
\`\`\`

Whether x is odd.

No gradient: the result is bool.

\`\`\`text
RangeError: odd: no
\`\`\`
`);
  });

  test("is stale once a comment, a signature or the table changes", () => {
    const check = (of: Table, with_: string) => (): void => checkReference(text, of, [with_, ...others]);
    expect(check(table, source)).not.toThrow();
    expect(check(table, source.replace("halved", "split"))).toThrow(
      /^docs\/ops\.md:\d+ is stale, run pnpm docs:update\n {2}says halved\.\n {2}want split\.$/,
    );
    expect(check(table, source.replace("x: Tensor", "x: Array"))).toThrow("want   x: Array,");
    expect(check({ ...table, odd: refusal("odd: never") }, source)).toThrow("says No gradient: the result is bool.");
    expect(check({ odd: table["odd"]! }, source)).toThrow("says [half](#half)");
    expect(check({ ...table, half: refusal("half: no") }, source)).toThrow("is stale");
    expect(() => checkReference(`${text}more`, table, [source, ...others])).toThrow("says more\n  want ");
  });

  test("refuses an op that is missing or undocumented, and a tag that it does not know", () => {
    const of = (code: string) => (): string => reference({ f: refusal("no") }, [code]);
    expect(of("export function g(x: Tensor): Tensor {")).toThrow("f is in the table, but no source exports it");
    expect(of("/** Of another. */\nconst a = 1;\nexport function f(x: Tensor): Tensor {")).toThrow(
      "f has no doc comment",
    );
    expect(of("/** F.\n * @todo\n */\nexport function f(x: Tensor): Tensor {")).toThrow("f: @todo has no place");
    expect(of("/** F. */\nexport const f = 1;")).toThrow("f is in the table, but no source exports it");
  });
});
