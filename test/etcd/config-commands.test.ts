// The commands for the network config, on etcd.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { byHand, CONFIG, openCommands, succeed } from "../support/operator-commands.ts";
import { startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
const { environment, flanneld, shell, etcdctl, putLease, revision, place } = openCommands(signal);

describe("the network config", () => {
  it("is printed as etcdctl prints it, and given to programs", async () => {
    assert.equal(await succeed(flanneld("config", "get")), await succeed(shell(byHand("config get").join("\n"))));
    const { text, key, modRevision } = JSON.parse(await succeed(flanneld("config", "get", "--json")));
    assert.deepEqual([text, key, modRevision], [CONFIG, "/coreos.com/network/config", await revision()]);
  });

  it("that is not there is told with status 78, and where an old one is", async () => {
    await etcdctl("del $P/config");
    const none = await flanneld("config", "get");
    assert.deepEqual([none.status, none.stdout], [78, ""]);
    assert.match(none.stderr, /^flanneld: network config at \/coreos\.com\/network\/config: there is none in etcd/);
    await using old = await startTestEtcd({ v2: true });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const url = `${old.endpoint}/v2/keys/coreos.com/network/config`;
    await fetch(url, { method: "PUT", headers, body: `value=${encodeURIComponent(CONFIG)}` });
    const env = { ...environment(), FLANNELD_ETCD_ENDPOINTS: old.endpoint };
    const { status, stderr } = await place().run(["config", "get"], { env });
    assert.equal(status, 78);
    assert.match(stderr, /v2 store only/);
    const advice = stderr.split("write it again with: ")[1] ?? "";
    await succeed(place().shell(advice, { env }));
    assert.equal(await succeed(place().run(["config", "get"], { env })), `${CONFIG}\n`);
  });

  it("is checked from a file, standard input and etcd", async () => {
    writeFileSync(join(place().directory, "net.json"), '{"Network": "10.5.0.0/16",\n "Backend": {"Type": "udp"},,}');
    const file = await shell(`flanneld config validate ${place().directory}/net.json`);
    assert.equal(file.status, 78);
    assert.match(file.stderr, /net\.json: line 2, column 29: not valid JSON: expected a name in double quotes/);
    const input = await shell(`echo '${CONFIG}' | flanneld config validate - --json`);
    const { effective } = JSON.parse(await succeed(Promise.resolve(input)));
    assert.deepEqual(effective.subnets, { count: 255, first: "10.5.1.0/24", last: "10.5.255.0/24" });
    assert.match(await succeed(flanneld("config", "validate")), /Backend\.Port +8472\n/);
  });

  it("that somebody is still typing can be interrupted", async () => {
    const typing = `mkfifo ${place().directory}/fifo && exec 3<> ${place().directory}/fifo`;
    const { status, stderr } = await shell(`${typing}; timeout --preserve-status -s INT 2 flanneld config set - <&3`);
    assert.deepEqual([status, stderr], [130, ""]);
  });

  it("is written as etcdctl would write it, and not when it is there already", async () => {
    const text = '{ "Network": "10.5.0.0/16", "Backend": { "Type": "host-gw" } }';
    writeFileSync(join(place().directory, "net.json"), `${text}\n`);
    await succeed(shell(`cd ${place().directory} && ${byHand("config set").join("\n")}`));
    assert.equal((await etcdctl("get --print-value-only $P/config")).trimEnd(), text);
    await etcdctl(`put $P/config '${CONFIG}'`);
    const set = `cd ${place().directory} && flanneld config set net.json`;
    assert.match(await succeed(shell(set)), /^Backend\.Type +vxlan +host-gw$/m);
    assert.equal((await etcdctl("get --print-value-only $P/config")).trimEnd(), text);
    const before = await revision();
    assert.match(await succeed(shell(`${set} && flanneld config set - < net.json`)), /says so already/);
    assert.equal(await revision(), before);
  });

  it("that daemons would refuse, or in which leases have no place, is refused and nothing is changed", async () => {
    await putLease("10.5.1.0/24", "10.0.0.1");
    const before = await revision();
    const invalid = await flanneld("config", "set", '{"Network": "10.5.0.0/16", "SubnetLen": 17}');
    assert.equal(invalid.status, 78);
    assert.match(invalid.stderr, /^flanneld: the given config: \$\.SubnetLen: network must be able to accommodate/);
    const narrow = '{"Network": "10.5.0.0/16", "SubnetMin": "10.5.9.0", "Backend": {"Type": "vxlan"}}';
    const excluding = await flanneld("config", "set", narrow);
    assert.equal(excluding.status, 65);
    assert.match(excluding.stderr, /^flanneld: nothing was written: with this config 1 lease would no longer fit:\n/);
    assert.match(excluding.stderr, /\n10\.5\.1\.0\/24 +10\.0\.0\.1 /);
    assert.equal(await revision(), before);
    await succeed(flanneld("config", "set", narrow, "--force", "--json"));
    assert.equal((await etcdctl("get --print-value-only $P/config")).trimEnd(), narrow);
  });
});
