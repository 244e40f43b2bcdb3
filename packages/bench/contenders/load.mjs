/** Imports a package installed in this folder, which is no part of the workspace: `pnpm bench` installs it on demand. */
export const load = (name) => import(name);
