import { total, type Arrays } from "../arrays.ts";
import { integers, uniform, type Case, type Workload } from "../workload.ts";

const [B, E, V] = [16, 32, 50];
const [few, many] = [50, 400];

export const timeSteps: Workload = {
  name: "timeSteps",
  title: "Cost of a time step",
  about: "Slices, takes, a concat and a stack over T steps, value and gradient; the time is that of one step.",
  contenders: ["gradus"],
  cases: [test(few), test(many)],
  bars: [
    {
      says: `a step of ${many} costs ≤ 1.3 × a step of ${few}`,
      ratio: (time) => time("gradus") / time("gradus", String(few)),
      atMost: 1.3,
      cases: [String(many)],
    },
  ],
};

function test(T: number): Case {
  const inputs = (): Arrays => ({
    xs: uniform([T, B, E], 0, 1, 1),
    table: uniform([V, E], 0, 1, 2),
    ids: integers([T, B], V, 3),
  });
  return { name: String(T), settings: {}, inputs, reference, tolerance: 1e-5, units: T };
}

/** Each x and each row taken counts twice. */
function reference({ xs, table, ids }: Arrays): Arrays {
  const dTable = new Float64Array(V * E);
  let sum = 2 * total(xs!.data);
  for (const id of ids!.data) {
    for (let e = 0; e < E; e++) {
      sum += 2 * table!.data[id * E + e]!;
      dTable[id * E + e]! += 2;
    }
  }
  return {
    value: { shape: [], data: Float64Array.of(sum) },
    dXs: { shape: xs!.shape, data: new Float64Array(xs!.data.length).fill(2) },
    dTable: { shape: [V, E], data: dTable },
  };
}
