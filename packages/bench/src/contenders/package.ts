import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { contendersFolder } from "../paths.ts";

/** A package of the folder `contenders`; T is the part of it that the bench uses. */
export async function loadPackage<T>(name: string): Promise<T> {
  const { load } = (await import(pathToFileURL(`${contendersFolder}load.mjs`).href)) as {
    load: (name: string) => Promise<{ default?: T } & T>;
  };
  const module = await load(name);
  return module.default ?? module;
}

export function packageVersion(name: string): string {
  const manifest = readFileSync(`${contendersFolder}node_modules/${name}/package.json`, "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
