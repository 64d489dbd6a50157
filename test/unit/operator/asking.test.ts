// Commands that an output tells people to run ask the same etcd and the same daemon as the one that tells them.

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { known } from "../../../src/check/facts.ts";
import { parseCommandLine } from "../../../src/cli.ts";
import { VERBS } from "../../../src/operator/verbs.ts";
import { type OperatorDesk, openDesk } from "../../support/operator.ts";
import { PEER, recordsOf } from "../../support/well-facts.ts";

const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
const WAY = ["--etcd-endpoints=https://a:1,https://b:2", "--etcd-cafile=/e/my ca.pem"];
const PASTED = " --etcd-endpoints=https://a:1,https://b:2 '--etcd-cafile=/e/my ca.pem'";
let desk: OperatorDesk;

beforeEach(() => {
  desk = openDesk();
});

function askingOf(argv: readonly string[], env: Readonly<Record<string, string>> = {}): readonly string[] {
  const settings = [{ kind: "text", path: "/etc/default/flanneld", text: "FLANNELD_ETCD_PREFIX=/service\n" }] as const;
  const line = parseCommandLine(argv, env, VERBS, () => settings);
  assert.equal(line.kind, "verb");
  return line.call.asking;
}

describe("a command that is told", () => {
  it("has the flags of the way to etcd that the command line gave, and no secret", () => {
    const user = ["-etcd-username", "ann", "--etcd-password=s3cret"];
    assert.deepEqual(askingOf(["leases", "-etcd-prefix=/a", "--json", "--etcd-prefix=/b", ...user]), [
      "--etcd-prefix=/b",
      "--etcd-username=ann",
    ]);
    assert.deepEqual(askingOf(["leases"], { FLANNELD_ETCD_ENDPOINTS: "http://a:1" }), []);
    assert.deepEqual(askingOf(["leases", "--etcd-prefix="]), []);
    assert.deepEqual(askingOf(["status", "--socket=/run/x.sock"]), ["--socket=/run/x.sock"]);
  });

  it("is one that writes the config, releases a subnet, lists the leases, or checks the config", async () => {
    const missing = await desk.run("config", "get", ...WAY);
    assert.ok(missing.err.includes(`{"Type": "vxlan"}}'${PASTED}\n`), missing.err);
    desk.store.writeConfig(CONFIG);
    desk.store.write(recordsOf([PEER]));
    const taken = await desk.run("reserve", "10.5.9.0/24", `--public-ip=${PEER.attrs.publicIp}`, ...WAY);
    assert.ok(taken.err.includes(`(flanneld release 10.5.2.0/24 --now --force${PASTED})`), taken.err);
    const nobody = await desk.run("ping", "10.9.9.9", ...WAY);
    assert.ok(nobody.err.includes(`; flanneld leases${PASTED} lists them`), nobody.err);
    desk.store.writeConfig("{");
    const invalid = await desk.run("leases", ...WAY);
    assert.ok(invalid.err.includes(`(flanneld config validate${PASTED})`), invalid.err);
  });

  it("by check goes to the etcd of the daemon, where check itself has found it there", async () => {
    const remedy = async (...words: readonly string[]) => {
      const { checks } = JSON.parse((await desk.runOn("check", "--json", ...words)).out);
      return checks.find(({ name }: { name: string }) => name === "config").remedy;
    };
    const plain = `write one, with a network that nothing else here has: flanneld config set '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}'`;
    assert.equal(await remedy(), plain);
    assert.equal(await remedy("--etcd-prefix=/blue"), `${plain} --etcd-prefix=/blue`);
    const settings = { "etcd-endpoints": { values: ["http://a:1"], written: "--etcd-endpoints" } };
    desk.host.answers.daemons = async () => known([{ pid: 4711, prefix: "/blue", settings, root: "" }]);
    assert.equal(await remedy("--etcd-prefix=/blue"), `${plain} --etcd-prefix=/blue --etcd-endpoints=http://a:1`);
  });

  it("by check to etcdctl says who asks, and no password", async () => {
    desk.store.disconnect("connection refused");
    const { out } = await desk.runOn("check", "--json", "--etcd-username=ann", "--etcd-password=s3cret");
    const etcd = JSON.parse(out).checks.find(({ name }: { name: string }) => name === "etcd");
    assert.match(etcd.command, /^etcdctl endpoint health --endpoints=\S+ --user=ann$/);
    assert.doesNotMatch(out, /s3cret/);
  });
});
