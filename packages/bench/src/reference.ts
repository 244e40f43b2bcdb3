import { float64, type Arrays } from "./arrays.ts";
import { loadGradus } from "./contenders/gradus.ts";

/** What gradus' composed form of a workload gives in float64, for what is too much to write down twice. */
export const composedInFloat64 =
  (workload: string) =>
  async (inputs: Arrays): Promise<Arrays> => {
    const { workloads } = loadGradus("composed");
    const run = await workloads[workload]!(float64(inputs), {});
    return await run.read();
  };
