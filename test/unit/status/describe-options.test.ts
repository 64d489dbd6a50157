import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseCommandLine } from "../../../src/cli.ts";
import { describeOptions } from "../../../src/status/describe-options.ts";

describe("the settings in force", () => {
  it("are told with everything but the password", () => {
    const argv = ["-etcd-username=ann", "-etcd-password=s3cret", "-iface-regex=^eth", "-etcd-endpoints=https://a:2379"];
    const command = parseCommandLine(argv, {}, [], () => []);
    assert.equal(command.kind, "run");
    const told = describeOptions(command.options);
    const text = JSON.stringify(told);
    assert.ok(!text.includes("s3cret"));
    const { etcd, underlay, controlSocket } = JSON.parse(text);
    assert.deepEqual(etcd.username, "ann");
    assert.deepEqual(etcd.endpoints, ["https://a:2379"]);
    assert.deepEqual(underlay.regexes, ["^eth"]);
    assert.equal(controlSocket, "/run/flannel/flanneld.sock");
    assert.deepEqual(told, JSON.parse(text));
  });
});
