// The version of this program, for `-version` and the first log line. The bundler puts package.json's in; modules that
// run unbundled, in tests, say so.

declare const FLANNELD_VERSION: string | undefined;

export const VERSION: string = typeof FLANNELD_VERSION === "string" ? FLANNELD_VERSION : "dev";
