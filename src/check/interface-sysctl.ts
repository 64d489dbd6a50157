// The names that sysctl(8) has for settings of an interface.

import type { Family } from "../base/ip.ts";

/** `dev`: an interface, or "all". sysctl(8): dots separate; those in the name of an interface are slashes. */
export function interfaceSysctl(family: Family, dev: string, setting: string): string {
  return `net.${family}.conf.${dev.replaceAll(".", "/")}.${setting}`;
}
