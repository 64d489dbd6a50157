// The parts of the native data path, each by itself, under AddressSanitizer and UBSan.

import { CASES, compileProgram, FAULTS, MEMORY, openDirectory, reportCases, sourcesIn } from "./program.ts";

const program = await compileProgram(openDirectory(), MEMORY, [...CASES, ...sourcesIn("test/native/unit")], FAULTS);
await reportCases([program], "");
