// What the page is made of, by path. The bundler puts the files in; modules that run unbundled, in tests, read them.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** This file runs from dist/src/web. */
const DIRECTORY = join(import.meta.dirname, "../../../src/web/assets");

/** File name -> text. */
export const ASSETS: Readonly<Record<string, string>> = Object.fromEntries(
  readdirSync(DIRECTORY).map((name) => [name, readFileSync(join(DIRECTORY, name), "utf8")]),
);
