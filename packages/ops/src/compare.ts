import * as k from "@gradus/kernels";
import { comparison, type Comparison } from "./makers.ts";

/** a = b elementwise, broadcast: bool. NaN equals nothing. No gradient. */
export const equal: Comparison = /* @__PURE__ */ comparison("equal", k.equal);
/** a ≠ b elementwise, broadcast: bool. No gradient. */
export const notEqual: Comparison = /* @__PURE__ */ comparison("notEqual", k.notEqual);
/** a < b elementwise, broadcast: bool. No gradient. */
export const less: Comparison = /* @__PURE__ */ comparison("less", k.less);
/** a ≤ b elementwise, broadcast: bool. No gradient. */
export const lessEqual: Comparison = /* @__PURE__ */ comparison("lessEqual", k.lessEqual);
/** a > b elementwise, broadcast: bool. No gradient. */
export const greater: Comparison = /* @__PURE__ */ comparison("greater", k.greater);
/** a ≥ b elementwise, broadcast: bool. No gradient. */
export const greaterEqual: Comparison = /* @__PURE__ */ comparison("greaterEqual", k.greaterEqual);
