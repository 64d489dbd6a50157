// All faults. One is added by an entry in one of these tables, or by a table of another kind here.

import { DAEMON_FAULTS } from "./daemon-faults.ts";
import { ENTRY_FAULTS } from "./entry-faults.ts";
import type { Fault } from "./fault.ts";
import { FILE_FAULTS } from "./file-faults.ts";
import { FIREWALL_FAULTS } from "./firewall-faults.ts";
import { HOST_FAULTS } from "./host-faults.ts";
import { KERNEL_FAULTS } from "./kernel-faults.ts";
import { RECORD_FAULTS } from "./record-faults.ts";
import { STORE_FAULTS } from "./store-faults.ts";
import { UNDERLAY_FAULTS } from "./underlay-faults.ts";

export const FAULTS: readonly Fault[] = [
  ...STORE_FAULTS,
  ...RECORD_FAULTS,
  ...DAEMON_FAULTS,
  ...HOST_FAULTS,
  ...FILE_FAULTS,
  ...KERNEL_FAULTS,
  ...ENTRY_FAULTS,
  ...UNDERLAY_FAULTS,
  ...FIREWALL_FAULTS,
];
