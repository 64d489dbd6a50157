import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isError } from "../../../src/base/errors.ts";
import { type NetworkConfig, parseNetworkConfig, unknownConfigMembers } from "../../../src/subnet/network-config.ts";
import { ipv4Of, only6, refused, with16 } from "../../support/network-configs.ts";

describe("the network config", () => {
  test("names the backend in lower case and hands on its members as they are", () => {
    const { backend } = parseNetworkConfig(with16('"Backend":{"Type":"VXLAN","VNI":7,"Extra":[1]}'));
    assert.deepEqual(backend, { type: "vxlan", options: { Type: "VXLAN", VNI: 7, Extra: [1] } });
    const config = parseNetworkConfig(with16('"backend":{"type":"host-gw"},"EnableNFTables":true'));
    assert.equal(config.backend.type, "host-gw");
    assert.equal(config.nftables, true);
  });

  test("of two Backend members the last one counts as a whole", () => {
    const { backend } = parseNetworkConfig(with16('"Backend":{"Type":"vxlan","VNI":7},"backend":{"Type":"udp"}'));
    assert.deepEqual(backend, { type: "udp", options: { Type: "udp" } });
  });

  test("of a member that stands there twice the last one counts, also when it says null", () => {
    assert.equal(ipv4Of(with16('"SubnetLen":26,"SubnetLen":25')).subnetLen, 25);
    assert.equal(ipv4Of(with16('"SubnetLen":26,"SubnetLen":null')).subnetLen, 24);
  });

  test("without a Backend means udp, as in the Go daemon", () => {
    assert.deepEqual(parseNetworkConfig('{"Network":"10.3.0.0/16"}').backend, { type: "udp", options: {} });
  });

  test("with a Backend that has no type says that the type is missing", () => {
    const missing = '$.Backend.Type: is missing: name the backend, for example "vxlan"';
    for (const backend of ["null", "{}", '{"Type":""}', '{"Type":null}', '{"VNI":1}']) {
      refused(with16(`"Backend":${backend}`), missing);
    }
    refused(with16('"Backend":{"Type":1}'), "$.Backend.Type: must be a string, but is 1");
    refused(with16('"Backend":"vxlan"'), /^\$\.Backend: error decoding Backend property of config: .* "vxlan"$/);
    refused(with16('"Backend":[]'), /error decoding Backend property of config/);
  });

  test("that disables both families is refused", () => {
    refused('{"EnableIPv4":false}', /none defined stack/);
    refused(with16('"EnableIPv4":"no"'), '$.EnableIPv4: must be true or false, but is "no"');
  });

  test("that is no JSON object is refused with the place of the mistake", () => {
    refused("", /^line 1, column 1: unexpected end of JSON input/);
    refused('{"Network": "10.3.0.0/16",}', /^line 1, column 27: not valid JSON/);
    refused("[]", "$: must be an object, but is []");
    refused('"10.3.0.0/16"', /^\$: must be an object/);
  });

  test("does not look at the members of a family that is switched off", () => {
    assert.equal(parseNetworkConfig(with16('"IPv6Network":"10.0.0.0/8"')).ipv6, null);
    assert.equal(parseNetworkConfig(only6('"IPv6Network":"fd00::/48","Network":10')).ipv4, null);
  });

  test("ignores members that it does not know, and can list them", () => {
    const text = with16('"SubnetLenght":26,"BackendType":"vxlan","backend":{"Type":"vxlan","Vnii":1}');
    assert.equal(ipv4Of(text).subnetLen, 24);
    assert.deepEqual(unknownConfigMembers(text), ["$.SubnetLenght", "$.BackendType"]);
  });

  test("never throws anything but config.invalid", () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom("10.3.0.0/16", "fc00::/48", "10.3.1.0", "fc00::", 24, 64, true),
    );
    const names = [
      "Network",
      "IPv6Network",
      "EnableIPv4",
      "EnableIPv6",
      "SubnetLen",
      "SubnetMin",
      "IPv6SubnetMax",
      "Backend",
    ];
    const document = fc.dictionary(fc.constantFrom(...names), value).map((members) => JSON.stringify(members));
    fc.assert(
      fc.property(fc.oneof(document, fc.string()), (text) => {
        try {
          const config: NetworkConfig = parseNetworkConfig(text);
          assert.ok(config.ipv4 ?? config.ipv6);
        } catch (error) {
          assert.ok(isError(error, "config.invalid"), String(error));
        }
      }),
    );
  });
});
