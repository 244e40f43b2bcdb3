// Functions of one number that Math has not: the twins of assembly/special.ts.
//
//! Their coefficients are those of s_erf.c of fdlibm: "Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved.
//! Developed at SunPro, a Sun Microsystems, Inc. business. Permission to use, copy, modify, and distribute this software is
//! freely granted, provided that this notice is preserved."
// Each row is a polynomial, its constant term first.
const PP = [
  1.28379167095512558561e-1, -3.2504210724700149937e-1, -2.84817495755985104766e-2, -5.77027029648944159157e-3,
  -2.37630166566501626084e-5,
] as const;
const QQ = [
  1, 3.97917223959155352819e-1, 6.50222499887672944485e-2, 5.08130628187576562776e-3, 1.32494738004321644526e-4,
  -3.9602282787753681232e-6,
] as const;
const PA = [
  -2.36211856075265944077e-3, 4.14856118683748331666e-1, -3.72207876035701323847e-1, 3.18346619901161753674e-1,
  -1.10894694282396677476e-1, 3.54783043256182359371e-2, -2.166375594868790843e-3,
] as const;
const QA = [
  1, 1.06420880400844228286e-1, 5.40397917702171048937e-1, 7.18286544141962662868e-2, 1.26171219808761642112e-1,
  1.36370839120290507362e-2, 1.1984499846799107417e-2,
] as const;
const RA = [
  -9.86494403484714822705e-3, -6.93858572707181764372e-1, -1.05586262253232909814e1, -6.23753324503260060396e1,
  -1.62396669462573470355e2, -1.84605092906711035994e2, -8.12874355063065934246e1, -9.81432934416914548592,
] as const;
const SA = [
  1, 1.96512716674392571292e1, 1.376577541435190426e2, 4.34565877475229228821e2, 6.45387271733267880336e2,
  4.29008140027567833386e2, 1.08635005541779435134e2, 6.57024977031928170135, -6.04244152148580987438e-2,
] as const;
const RB = [
  -9.86494292470009928597e-3, -7.99283237680523006574e-1, -1.77579549177547519889e1, -1.60636384855821916062e2,
  -6.37566443368389627722e2, -1.02509513161107724954e3, -4.83519191608651397019e2,
] as const;
const SB = [
  1, 3.03380607434824582924e1, 3.25792512996573918826e2, 1.53672958608443695994e3, 3.19985821950859553908e3,
  2.55305040643316442583e3, 4.74528541206955367215e2, -2.24409524465858183362e1,
] as const;
const ERF_1 = 8.45062911510467529297e-1; // erf 1, rounded so that little is left to P/Q

/** (2/√π)·∫ exp(−t²) dt from 0 to x. Below 1 ulp. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 0.84375) return x + x * ratio(PP, QQ, x * x);
  return a < 6 ? Math.sign(x) * (1 - tail(a)) : Math.sign(x);
}

/** 1 − erf x, without loss where that is small. */
function erfc(x: number): number {
  const a = Math.abs(x);
  if (a < 0.84375) {
    const y = x * ratio(PP, QQ, x * x);
    return x < 0.25 ? 1 - (x + y) : 0.5 - (x - 0.5 + y);
  }
  const rest = a < 28 ? tail(a) : Number.isNaN(x) ? x : 0;
  return x < 0 ? 2 - rest : rest;
}

/** erfc from 0.84375 up. The square of a float32 is exact in float64, so that exp gets no rounded argument. */
function tail(x: number): number {
  if (x < 1.25) return 1 - ERF_1 - ratio(PA, QA, x - 1);
  const s = 1 / (x * x);
  const r = x < 1 / 0.35 ? ratio(RA, SA, s) : ratio(RB, SB, s);
  const short = Math.fround(x);
  return (Math.exp(-short * short - 0.5625) * Math.exp((short - x) * (short + x) + r)) / x;
}

function ratio(p: readonly number[], q: readonly number[], x: number): number {
  return horner(p, x) / horner(q, x);
}

function horner(p: readonly number[], x: number): number {
  let y = 0;
  for (let i = p.length - 1; i >= 0; i--) y = y * x + p[i]!;
  return y;
}

/** log(1 + eˣ), which never overflows. */
export function softplus(x: number): number {
  const t = Math.log1p(Math.exp(-Math.abs(x)));
  return x > 0 ? x + t : t;
}

/** x/(1 + e⁻ˣ); −0 at −∞, where the product of x and its sigmoid is none. */
export function silu(x: number): number {
  return x === -Infinity ? -0 : x * sigmoid(x);
}

function sigmoid(x: number): number {
  const t = Math.exp(-Math.abs(x));
  return (x >= 0 ? 1 : t) / (1 + t);
}

/** x·Φ(x) */
export function gelu(x: number): number {
  return x === -Infinity ? -0 : 0.5 * x * erfc(-x * Math.SQRT1_2);
}

/** ½x(1 + tanh u) = x·σ(2u), u = √(2/π)(x + 0.044715x³) */
export function geluTanh(x: number): number {
  return x === -Infinity ? -0 : x * sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x));
}
