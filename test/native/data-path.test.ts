// The whole native data path on sockets, under AddressSanitizer and UBSan, and once more under ThreadSanitizer.

import { describe } from "node:test";
import {
  CASES,
  compileProgram,
  FAULTS,
  launcherOf,
  MEMORY,
  openDirectory,
  reportCases,
  sourcesIn,
  THREADS,
} from "./program.ts";

const directory = openDirectory();
const sources = [...CASES, ...sourcesIn("test/native/data-path")];

await reportCases([await compileProgram(directory, MEMORY, sources, FAULTS)], "");

const threads = await launcherOf(await compileProgram(directory, THREADS, sources, FAULTS));
if (threads === null) describe("ThreadSanitizer", { skip: "does not run with this kernel's address randomization" });
else await reportCases(threads, ", under ThreadSanitizer");
