import { ValueError } from "@gradus/core";

/** Refuses what stands in the place of options and is no record of them. */
export function checkOptions<T>(op: string, options: T): T {
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return options;
  throw new ValueError(op, "not options", { options }, "them by name: { … }");
}
