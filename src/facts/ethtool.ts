// What ethtool -k prints. Pure.

/** "tx-checksum-ip-generic: on [fixed]" -> true, by name. */
export function parseFeatures(text: string): Readonly<Record<string, boolean>> {
  const lines = text.matchAll(/^\s*([\w-]+): (on|off)\b/gm);
  return Object.fromEntries([...lines].map(([, name = "", state]) => [name, state === "on"]));
}
