// The parts of the native data path, each by itself, under AddressSanitizer and UBSan.

import { compileProgram, FAULTS, MEMORY, openDirectory, reportCases, SUPPORT, sourcesIn } from "./program.ts";

const program = await compileProgram(openDirectory(), MEMORY, [...SUPPORT, ...sourcesIn("test/native/unit")], FAULTS);
await reportCases([program], "");
