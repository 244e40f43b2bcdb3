/** A failure prints its seed and path. Other seeds: SEED=… pnpm vitest run packages/nn. */
export const seed: number = Number(process.env.SEED ?? 1914);
/** Of a property; of a property of whole sequences. */
export const runs = 100;
export const runsOfSequences = 60;
/** Of changed bytes in a file. */
export const runsOfBytes = 1000;
/** |got − PyTorch's| / scale, in float64. */
export const golden = 1e-10;
/** Between two ways to compute the same in float64: values, gradients. */
export const sameValue = 1e-14;
export const sameGradient = 1e-13;
/** A step of Adam against float64, relative. */
export const adamStep = { float32: 2e-6, float64: 1e-13 } as const;
/** A step of gradient descent against float64, relative. */
export const sgdStep = { float32: 1e-6, float64: 1e-14 } as const;
