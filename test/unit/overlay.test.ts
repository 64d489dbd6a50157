import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isError } from "../../src/base/errors.ts";
import type { Prefix4 } from "../../src/base/ip.ts";
import type { Prefix6 } from "../../src/base/ipv6.ts";
import type { Json } from "../../src/base/json.ts";
import { type ConfigChange, judgeChange, readOverlay } from "../../src/overlay.ts";
import type { Subnet } from "../../src/subnet/lease.ts";

const KEY = "/coreos.com/network/config";
const OWN: Subnet = { v4: "10.5.52.0/24" as Prefix4, v6: "fd00:5:0:52::/64" as Prefix6 };
const IPV6 = { EnableIPv6: true, IPv6Network: "fd00:5::/48" };

function text(backend: { readonly [key: string]: Json }, more: { readonly [key: string]: Json } = {}): string {
  return JSON.stringify({ Network: "10.5.0.0/16", ...more, Backend: { Type: "vxlan", ...backend } });
}

function judge(before: string, after: string | null): ConfigChange {
  return judgeChange(readOverlay(before, KEY), after, KEY, OWN);
}

function changed(before: string, after: string): string {
  const change = judge(before, after);
  assert.ok(change.kind === "live" || change.kind === "restart", change.kind);
  return `${change.kind}: ${change.changed.join(", ")}`;
}

describe("a change of the network config", () => {
  it("is none when the text is the same, and none of anything when only its form is another", () => {
    assert.deepEqual(judge(text({}), text({})), { kind: "none" });
    assert.equal(changed(text({ MTU: 1400 }), text({ mtu: 1400 }).replaceAll(",", " ,\n")), "live: ");
  });

  const cases: readonly (readonly [string, string, string])[] = [
    [text({}), text({ DirectRouting: true }), "live: Backend.DirectRouting"],
    [text({ mtu: 1400 }), text({ MTU: 1450 }), "live: Backend.MTU"],
    [text({ MTU: 1400 }), text({}), "live: Backend.MTU"],
    [text({}), text({ Port: 9999, MTU: 1400 }), "restart: Backend.Port"],
    [text({}), text({ VNI: 2, GBP: true }), "restart: Backend.VNI, Backend.GBP"],
    [text({}), text({ Type: "host-gw", MTU: 1400 }), "restart: Backend.Type"],
    [text({ Type: "host-gw" }), text({ Type: "host-gw", MTU: 1400 }), "live: Backend.MTU"],
    [text({ Type: "udp" }), text({ Type: "udp", MTU: 1400 }), "live: Backend.MTU"],
    [text({}), text({}, IPV6), "restart: EnableIPv6"],
    [text({}, IPV6), text({}), "restart: EnableIPv6"],
    [text({}, IPV6), text({}, { ...IPV6, EnableIPv4: false }), "restart: EnableIPv4"],
    [text({}, IPV6), text({}, { ...IPV6, IPv6SubnetMin: "fd00:5::" }), "live: IPv6SubnetMin"],
    [
      text({}, IPV6),
      text({}, { ...IPV6, IPv6Network: "fd00::/16", IPv6SubnetMin: "fd00:5::" }),
      "live: IPv6Network, IPv6SubnetMin, IPv6SubnetMax",
    ],
    [
      text({}, IPV6),
      text({}, { ...IPV6, IPv6Network: "fd01::/48" }),
      "restart: IPv6Network, IPv6SubnetMin, IPv6SubnetMax",
    ],
    [text({}), text({ VNI: 1, Port: 8472, Comment: "of ours" }), "live: "],
    [text({ Type: "udp" }), text({ Type: "udp", CheckSource: false }), "restart: Backend.CheckSource"],
    [text({}), text({}, { Network: "10.4.0.0/15" }), "live: Network, SubnetMin"],
    [text({}), text({}, { Network: "10.5.0.0/17" }), "restart: Network"],
    [text({}), text({}, { Network: "10.6.0.0/15" }), "restart: Network, SubnetMin, SubnetMax"],
    [text({}), text({}, { SubnetMin: "10.5.50.0" }), "live: SubnetMin"],
    [text({}), text({}, { SubnetMin: "10.5.60.0" }), "restart: SubnetMin"],
    [text({}), text({}, { SubnetMax: "10.5.52.0" }), "live: SubnetMax"],
    [text({}), text({}, { SubnetMax: "10.5.51.0" }), "restart: SubnetMax"],
    [text({}), text({}, { SubnetLen: 25 }), "restart: SubnetLen, SubnetMin, SubnetMax"],
    [text({}), text({}, { EnableNFTables: true }), "restart: EnableNFTables"],
  ];
  for (const [before, after, expected] of cases) {
    it(`from ${before} to ${after} is ${expected}`, () => assert.equal(changed(before, after), expected));
  }

  it("that takes the config away or makes no sense of it is unusable, and says why", () => {
    const gone = judge(text({}), null);
    assert.ok(gone.kind === "unusable");
    assert.match(gone.reason, /gone from etcd at \/coreos\.com\/network\/config/);
    for (const bad of ["{", text({ Type: "magic" }), text({ VNI: "x" }), text({}, { EnableIPv6: true })]) {
      const change = judge(text({}), bad);
      assert.ok(change.kind === "unusable", bad);
      assert.match(change.reason, /^network config in etcd at \/coreos\.com\/network\/config: /);
    }
  });
});

describe("an overlay", () => {
  it("of a config that makes no sense is refused with its key and the place in it", () => {
    for (const [bad, place] of [
      ['{"Network": "10.5.0.0/16", "Backend": {}}', /config: \$\.Backend\.Type/],
      ['{"Network": ', /config: line 1, column 13/],
    ] as const) {
      assert.throws(
        () => readOverlay(bad, KEY),
        (error: unknown) => isError(error, "config.invalid") && place.test(error.message),
      );
    }
  });
});
