// All faults. One is added by an entry in one of these tables, or by a table of another kind here.

import { DAEMON_FAULTS } from "./daemon-faults.ts";
import type { Fault } from "./fault.ts";
import { RECORD_FAULTS } from "./record-faults.ts";
import { STORE_FAULTS } from "./store-faults.ts";

export const FAULTS: readonly Fault[] = [...STORE_FAULTS, ...RECORD_FAULTS, ...DAEMON_FAULTS];
