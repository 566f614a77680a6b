/** The folder of the package, the same from src and from dist. */
export const ROOT = new URL('..', import.meta.url);
