import { styleText } from "node:util";

const CELL = 48;
const LABEL = 32;

/** An SVG of values [rows, columns]: red where positive, blue where negative, the stronger the farther from 0. */
export function heatMap(values: ArrayLike<number>, rows: readonly string[], columns: readonly string[]): string {
  const largest = Math.max(...Array.from(values, Math.abs));
  const at = (i: number): number => LABEL + i * CELL;
  const text = (x: number, y: number, label: string): string => `  <text x="${x}" y="${y}">${label}</text>`;
  const cell = (r: number, c: number): string[] => {
    const value = values[r * columns.length + c]!;
    const colour = value > 0 ? "#c0392b" : "#2471a3";
    const box = `x="${at(c)}" y="${at(r)}" width="${CELL}" height="${CELL}" stroke="#ddd"`;
    const strength = (Math.abs(value) / largest).toFixed(2);
    const shown = value === 0 ? "0" : value.toFixed(2).replace("-", "−");
    return [
      `  <rect ${box} fill="${value === 0 ? "#fff" : colour}" fill-opacity="${value === 0 ? 1 : strength}"/>`,
      text(at(c) + CELL / 2, at(r) + CELL / 2 + 4, shown),
    ];
  };
  const [width, height] = [at(columns.length) + 8, at(rows.length) + 8];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12" text-anchor="middle">`,
    `  <rect width="${width}" height="${height}" fill="#fff"/>`,
    ...columns.map((label, c) => text(at(c) + CELL / 2, LABEL - 12, label)),
    ...rows.map((label, r) => text(LABEL / 2, at(r) + CELL / 2 + 4, label)),
    ...rows.flatMap((_, r) => columns.flatMap((_, c) => cell(r, c))),
    "</svg>",
    "",
  ].join("\n");
}

/** The same as lines for a terminal, coloured where it can. */
export function inColour(values: ArrayLike<number>, rows: readonly string[], columns: readonly string[]): string {
  const colours = process.stdout.isTTY && process.stdout.hasColors();
  const cell = (value: number): string => {
    const shown = value.toFixed(2).padStart(7);
    return value === 0 || !colours ? shown : styleText(value > 0 ? "red" : "blue", shown);
  };
  const lines = rows.map((label, r) => label + columns.map((_, c) => cell(values[r * columns.length + c]!)).join(""));
  return [` ${columns.map((label) => label.padStart(7)).join("")}`, ...lines].join("\n");
}
