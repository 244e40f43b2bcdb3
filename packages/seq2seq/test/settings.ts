/** A failure prints its seed and path. Other seeds: SEED=… pnpm vitest run packages/seq2seq. */
export const seed: number = Number(process.env.SEED ?? 1914);
/** Runs of a law; of each cell of the cross product. */
export const runs = 60;
export const runsPerCell = 4;
export const tolerance = 1e-10;
/** Of central differences with step 1e-5 in float64. */
export const differences = 2e-7;
