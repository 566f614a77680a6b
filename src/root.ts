/** The folder of the package, the same from src and from dist. */
export const ROOT = new URL('..', import.meta.url);

/** What one types to run the command line: messages that name a command can then be followed as they are. */
export const PROGRAM = programOf(ROOT.pathname);

/** @param root the folder of the package: of a checkout, or below `node_modules` if it was installed */
export function programOf(root: string): string {
  return /\/node_modules\/sisyphus-gateway\/$/.test(root) ? 'node_modules/.bin/sisyphus' : 'bin/sisyphus';
}
