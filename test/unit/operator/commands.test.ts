import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { minutes } from "../../../src/base/brand.ts";
import { type OperatorDesk, openDesk, overtake } from "../../support/operator.ts";

const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
const OTHER_CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "host-gw"}}';
const LEASE =
  '{"PublicIP":"10.0.0.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}}';
const KEY = "10.5.1.0-24";
let desk: OperatorDesk;

beforeEach(() => {
  desk = openDesk();
});

async function configIn({ store }: OperatorDesk): Promise<string | null> {
  return store.networkConfig(new AbortController().signal);
}

describe("config get", () => {
  it("prints the text as it was written, and cannot steer the terminal", async () => {
    desk.store.writeConfig('{\n\t"Network": "10.5.0.0/16\u001b[2J"\n}\n');
    const { status, out } = await desk.run("config", "get");
    assert.deepEqual([status, out], [0, '{\n\t"Network": "10.5.0.0/16\\u001b[2J"\n}\n']);
  });

  it("gives programs key, text, revision and members; null for what is no JSON", async () => {
    desk.store.writeConfig(CONFIG);
    const { out } = await desk.run("config", "get", "--json", "--etcd-prefix=/x/");
    assert.deepEqual(JSON.parse(out), {
      key: "/x/config",
      text: CONFIG,
      modRevision: "2",
      config: { Network: "10.5.0.0/16", Backend: { Type: "vxlan" } },
    });
    desk.store.writeConfig("{");
    assert.equal(JSON.parse((await desk.run("config", "get", "--json")).out).config, null);
  });

  it("says that there is none, or only one of etcd's v2 store, and how to write one", async () => {
    const none = await desk.run("config", "get");
    assert.equal(none.status, 78);
    assert.match(
      none.err,
      /at \/coreos\.com\/network\/config: there is none in etcd; write one with: flanneld config set '/,
    );
    desk.store.writeV2Config(`${CONFIG}\n`);
    const old = await desk.run("config", "get");
    assert.equal(old.status, 78);
    assert.ok(
      old.err.includes("in etcd's v2 store only") && old.err.includes(`flanneld config set '${CONFIG}'`),
      old.err,
    );
  });
});

describe("config validate", () => {
  it("takes the config from a file, standard input, the command line or etcd, and says which", async () => {
    desk.files.set("net.json", CONFIG).set("-", CONFIG);
    desk.store.writeConfig(CONFIG);
    const heads = [];
    for (const words of [["net.json"], ["-"], [CONFIG], []]) {
      const { status, out } = await desk.run("config", "validate", ...words);
      assert.equal(status, 0);
      heads.push(out.split("\n")[0]);
    }
    assert.deepEqual(heads, [
      "net.json: valid",
      "standard input: valid",
      "the given config: valid",
      "/coreos.com/network/config in etcd: valid",
    ]);
  });

  it("needs no etcd for a file", async () => {
    desk.files.set("net.json", CONFIG);
    desk.store.disconnect("nobody is there");
    assert.equal((await desk.run("config", "validate", "net.json")).status, 0);
  });

  it("ends with 78 and a sentence for each problem, in JSON too", async () => {
    const wrong = '{"Network": "10.5.0.0", "Backend": {"Type": "vxlan", "VNI": 0}}';
    const { status, out, err } = await desk.run("config", "validate", wrong);
    assert.deepEqual([status, out], [78, ""]);
    assert.equal(
      err,
      "flanneld: the given config: $.Network: invalid CIDR address: 10.5.0.0\n" +
        "flanneld: the given config: $.Backend.VNI: must be an integer between 1 and 16777215, but is 0\n",
    );
    const json = await desk.run("config", "validate", wrong, "--json");
    const paths = JSON.parse(json.out).problems.map(({ at }: { at: string }) => at);
    assert.deepEqual([json.status, paths], [78, ["$.Network", "$.Backend.VNI"]]);
  });

  it("warns of what nobody reads, and calls it valid", async () => {
    const { status, out } = await desk.run("config", "validate", '{"Network":"10.5.0.0/16","Netwrok":1}', "--json");
    assert.equal(status, 0);
    assert.match(JSON.parse(out).warnings.at(-1), /^\$\.Netwrok: /);
  });

  it("does not take an empty word for none, which would be what is in etcd", async () => {
    desk.store.writeConfig(CONFIG);
    for (const command of ["validate", "set"]) {
      await assert.rejects(desk.run("config", command, ""), new RegExp(`config ${command} needs FILE\\|-\\|JSON`));
    }
    assert.deepEqual(desk.store.calls(), []);
  });

  it("passes on why a file cannot be read", async () => {
    const { status, err } = await desk.run("config", "validate", "none.json");
    assert.equal(status, 78);
    assert.match(err, /none\.json: no such file/);
  });
});

describe("config set", () => {
  it("writes the first config, without blanks around it, and shows its values", async () => {
    desk.files.set("net.json", `\n${CONFIG}\n`);
    const { status, out } = await desk.run("config", "set", "net.json");
    assert.equal(status, 0);
    assert.match(out, /Backend\.Port +8472\n[\s\S]*written to \/coreos\.com\/network\/config\n$/);
    assert.equal(await configIn(desk), CONFIG);
  });

  it("shows what changes, and on which hosts flanneld has to be restarted", async () => {
    desk.store.writeConfig(CONFIG);
    desk.store.write({ [KEY]: LEASE, "10.5.9.0-24": LEASE.replace("10.0.0.1", "10.0.0.9") });
    const { out } = await desk.run("config", "set", OTHER_CONFIG);
    assert.equal(
      out,
      "MEMBER        OLD    NEW\n" +
        "Backend.Type  vxlan  host-gw\n" +
        "restart flanneld on every host: until then the old config stays in force there, because of Backend.Type\n" +
        "written to /coreos.com/network/config\n",
    );
    assert.equal(await configIn(desk), OTHER_CONFIG);
  });

  it("says when running daemons follow, and when only some do", async () => {
    desk.store.writeConfig(CONFIG);
    desk.store.write({ [KEY]: LEASE, "10.5.9.0-24": LEASE.replace("10.0.0.1", "10.0.0.9") });
    const wider = await desk.run("config", "set", CONFIG.replace("/16", "/15"), "--dry-run");
    assert.match(wider.out, /\nrunning daemons follow it at once\nnothing was written/);
    const narrow = CONFIG.replace("{", '{"SubnetMin": "10.5.2.0", ');
    const some = await desk.run("config", "set", narrow, "--force", "--dry-run");
    assert.match(some.out, /\nrestart flanneld on 10\.0\.0\.1: until then .* because of SubnetMin\n/);
    const { restart } = JSON.parse((await desk.run("config", "set", narrow, "--force", "--json")).out);
    assert.deepEqual(restart, { members: ["SubnetMin"], hosts: ["10.0.0.1"] });
  });

  it("says of an MTU that interfaces limit it, and of Offload what auto costs that follows off", async () => {
    const withMember = (member: string) => CONFIG.replace(/"vxlan"/, `"vxlan", ${member}`);
    desk.store.writeConfig(withMember('"Offload": "off"'));
    const auto = await desk.run("config", "set", CONFIG, "--dry-run");
    assert.match(
      auto.out,
      /\nrunning daemons follow it at once\nrunning daemons switch the checksum offload on again .* "Offload" has been "on"\n/,
    );
    const on = await desk.run("config", "set", withMember('"Offload": "on"'), "--json");
    assert.deepEqual(JSON.parse(on.out).notes, []);
    const mtu = await desk.run("config", "set", withMember('"MTU": 9000, "Offload": "on"'), "--json");
    assert.match(JSON.parse(mtu.out).notes.join(), /^the interface of each host limits the MTU: /);
  });

  it("writes nothing when the config is there already, and nothing in a dry run", async () => {
    desk.store.writeConfig(`${CONFIG}\n`);
    const same = await desk.run("config", "set", CONFIG);
    assert.deepEqual([same.status, same.out], [0, "/coreos.com/network/config says so already; nothing was written\n"]);
    const dry = JSON.parse((await desk.run("config", "set", OTHER_CONFIG, "--dry-run", "--json")).out);
    assert.deepEqual([dry.written, dry.changes.length], [false, 1]);
    assert.ok(!desk.store.calls().includes("putConfig"));
  });

  it("says when only the text is another", async () => {
    desk.store.writeConfig(CONFIG);
    assert.match((await desk.run("config", "set", `${CONFIG} `.replace(": ", ":"))).out, /^the values stay the same/);
  });

  it("replaces what is no valid config, and says that it was none", async () => {
    desk.store.writeConfig("{}");
    assert.match((await desk.run("config", "set", CONFIG)).out, /^what stood there is no valid network config\n/);
    assert.equal(await configIn(desk), CONFIG);
  });

  it("refuses a config that daemons would refuse, and asks etcd nothing", async () => {
    const { status, err } = await desk.run("config", "set", '{"Network":"10.5.0.0"}');
    assert.equal(status, 78);
    assert.match(err, /\$\.Network: /);
    assert.deepEqual(desk.store.calls(), []);
  });

  it("refuses to leave leases without a place unless it is forced to", async () => {
    desk.store.writeConfig(CONFIG);
    desk.store.write({ [KEY]: LEASE }, minutes(10));
    const narrow = CONFIG.replace("{", '{"SubnetMin": "10.5.2.0", ');
    for (const more of [[], ["--dry-run"]]) {
      const { status, err } = await desk.run("config", "set", narrow, ...more);
      assert.equal(status, 65);
      assert.equal(
        err,
        "flanneld: nothing was written: with this config 1 lease would no longer fit:\n" +
          "SUBNET       PUBLIC IP  WHY IT DOES NOT FIT\n" +
          "10.5.1.0/24  10.0.0.1   it is outside the range from 10.5.2.0 to 10.5.255.0 (SubnetMin, SubnetMax)\n" +
          "flanneld: when flanneld next starts on these hosts, it leases another subnet there, " +
          "and the containers must be started anew; --force writes it nevertheless\n",
      );
      assert.equal(await configIn(desk), CONFIG);
    }
    const { status, out } = await desk.run("config", "set", narrow, "--force");
    assert.equal(status, 0);
    assert.match(out, /warning: with this config 1 lease would no longer fit: [^\n]*\nSUBNET .*\n10\.5\.1\.0\/24 /);
    assert.equal(await configIn(desk), narrow);
  });

  it("gives programs the leases without a place in a refusal, too", async () => {
    desk.store.writeConfig(CONFIG);
    desk.store.write({ [KEY]: LEASE }, minutes(10));
    const { out } = await desk.run("config", "set", CONFIG.replace("{", '{"SubnetMin": "10.5.2.0", '), "--json");
    const { error, excludedLeases } = JSON.parse(out);
    assert.deepEqual([error.code, error.hint], ["request.refused", "--force writes it nevertheless"]);
    const [{ subnet, publicIp, reason }] = excludedLeases;
    assert.deepEqual([subnet, publicIp, excludedLeases.length], ["10.5.1.0/24", "10.0.0.1", 1]);
    assert.match(reason, /^it is outside the range/);
  });

  it("never overwrites the config of somebody who was faster", async () => {
    desk.store.writeConfig(CONFIG);
    overtake(desk, "putConfig", () => desk.store.writeConfig('{"Network": "10.9.0.0/16"}'));
    const { status, err } = await desk.run("config", "set", OTHER_CONFIG);
    assert.equal(status, 75);
    assert.match(err, /^somebody else changed the network config/);
    assert.equal(await configIn(desk), '{"Network": "10.9.0.0/16"}');
  });

  it("looks again when leases came meanwhile, and sees one that has no place any more", async () => {
    desk.store.writeConfig(CONFIG);
    overtake(desk, "putConfig", () => desk.store.write({ "10.5.77.0-24": LEASE }));
    assert.equal((await desk.run("config", "set", OTHER_CONFIG)).status, 0);
    overtake(desk, "putConfig", () => desk.store.write({ "10.5.200.0-24": LEASE }));
    const { status, err } = await desk.run("config", "set", OTHER_CONFIG.replace("{", '{"SubnetMax": "10.5.100.0", '));
    assert.equal(status, 65);
    assert.match(err, /\n10\.5\.200\.0\/24 +10\.0\.0\.1 /);
    assert.equal(await configIn(desk), OTHER_CONFIG);
  });

  it("gives up where leases never stop coming", async () => {
    let next = 10;
    overtake(desk, "putConfig", () => desk.store.write({ [`10.5.${next++}.0-24`]: LEASE }), 100);
    assert.equal((await desk.run("config", "set", CONFIG)).status, 75);
    assert.equal(await configIn(desk), null);
  });
});
