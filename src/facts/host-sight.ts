// HostSight: what a running daemon looks at of its host now and then, at little cost.

import type { HostSight } from "../check/host-probe.ts";
import { readBaseRules } from "./firewall-rules.ts";
import { readReversePathDrops, readRoutes } from "./proc.ts";
import { readSysctls } from "./sysctls.ts";

export const hostSight: HostSight = {
  sysctls: readSysctls,
  reversePathDrops: readReversePathDrops,
  routes: readRoutes,
  rules: readBaseRules,
};
