// Network configs as texts, for tests of what is made of them.

import assert from "node:assert/strict";
import { isError } from "../../src/base/errors.ts";
import { type Ipv4Network, type Ipv6Network, parseNetworkConfig } from "../../src/subnet/network-config.ts";

export function ipv4Of(text: string): Ipv4Network {
  const { ipv4 } = parseNetworkConfig(text);
  assert.ok(ipv4);
  return ipv4;
}

export function ipv6Of(text: string): Ipv6Network {
  const { ipv6 } = parseNetworkConfig(text);
  assert.ok(ipv6);
  return ipv6;
}

/** Members of a config with the network 10.3.0.0/16. */
export function with16(members: string): string {
  return `{"Network": "10.3.0.0/16", ${members}}`;
}

export function only6(members: string): string {
  return `{"EnableIPv4": false, "EnableIPv6": true, ${members}}`;
}

export function refused(text: string, expected: RegExp | string): void {
  assert.throws(
    () => parseNetworkConfig(text),
    (error) => {
      assert.ok(isError(error, "config.invalid"), String(error));
      if (typeof expected === "string") assert.equal(error.message, expected);
      else assert.match(error.message, expected);
      return true;
    },
    text,
  );
}
