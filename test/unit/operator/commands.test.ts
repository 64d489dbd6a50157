import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { minutes, seconds } from "../../../src/base/brand.ts";
import { FlannelError } from "../../../src/base/errors.ts";
import { failureJson } from "../../../src/operator/failure.ts";
import type { OperatorStore } from "../../../src/subnet/operator-store.ts";
import type { FakeLeaseStore } from "../../fakes/fake-lease-store.ts";
import { type OperatorDesk, openDesk } from "../../support/operator.ts";

const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
const OTHER_CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "host-gw"}}';
const LEASE =
  '{"PublicIP":"10.0.0.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}}';
const KEY = "10.5.1.0-24";
let desk: OperatorDesk;

beforeEach(() => {
  desk = openDesk();
});

/** Somebody else is faster, `times` times, whenever a command is about to do this. */
function overtake(
  call: "putConfig" | "reserve" | "setTerm" | "remove" | "removeBad",
  act: () => void,
  times = 1,
): void {
  let left = times;
  desk.wrap = (store: FakeLeaseStore): OperatorStore => {
    const late = {
      [call]: (...args: readonly unknown[]) => {
        if (left-- > 0) act();
        return (store[call] as (...args: readonly unknown[]) => unknown)(...args);
      },
    };
    return { ...store, ...late };
  };
}

async function configIn({ store }: OperatorDesk): Promise<string | null> {
  return store.networkConfig(new AbortController().signal);
}

/** Records with their etcd leases. */
function world(): unknown {
  return [[...desk.store.records()], desk.store.leaseCount()];
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
    overtake("putConfig", () => desk.store.writeConfig('{"Network": "10.9.0.0/16"}'));
    const { status, err } = await desk.run("config", "set", OTHER_CONFIG);
    assert.equal(status, 75);
    assert.match(err, /^somebody else changed the network config/);
    assert.equal(await configIn(desk), '{"Network": "10.9.0.0/16"}');
  });

  it("looks again when leases came meanwhile, and sees one that has no place any more", async () => {
    desk.store.writeConfig(CONFIG);
    overtake("putConfig", () => desk.store.write({ "10.5.77.0-24": LEASE }));
    assert.equal((await desk.run("config", "set", OTHER_CONFIG)).status, 0);
    overtake("putConfig", () => desk.store.write({ "10.5.200.0-24": LEASE }));
    const { status, err } = await desk.run("config", "set", OTHER_CONFIG.replace("{", '{"SubnetMax": "10.5.100.0", '));
    assert.equal(status, 65);
    assert.match(err, /\n10\.5\.200\.0\/24 +10\.0\.0\.1 /);
    assert.equal(await configIn(desk), OTHER_CONFIG);
  });

  it("gives up where leases never stop coming", async () => {
    let next = 10;
    overtake("putConfig", () => desk.store.write({ [`10.5.${next++}.0-24`]: LEASE }), 100);
    assert.equal((await desk.run("config", "set", CONFIG)).status, 75);
    assert.equal(await configIn(desk), null);
  });
});

describe("leases", () => {
  beforeEach(() => {
    desk.store.writeConfig(CONFIG);
    desk.store.write({ [KEY]: LEASE }, minutes(10));
    desk.store.write({ "10.5.10.0-24": LEASE.replace("10.0.0.1", "10.0.0.10"), "foo\u001b[2J": "bar" });
  });

  it("are a table of what is leased, reserved and bad, and a sum", async () => {
    const { status, out, err } = await desk.run("leases");
    assert.deepEqual([status, err], [0, ""]);
    assert.equal(
      out,
      "SUBNET        PUBLIC IP  BACKEND  KIND      TIME LEFT\n" +
        "10.5.1.0/24   10.0.0.1   vxlan    leased    10m00s\n" +
        "10.5.10.0/24  10.0.0.10  vxlan    reserved  no end\n" +
        "BAD RECORD    WHY DAEMONS LEAVE IT OUT\n" +
        "foo\\u001b[2J  its key is not a subnet without a host part, such as 10.5.52.0-24\n" +
        "1 lease, 1 reserved, 1 bad, 253 free of 255\n",
    );
  });

  it("are shown without asking for the time when that is not wanted", async () => {
    const { out } = await desk.run("leases", "--no-ttl");
    assert.doesNotMatch(out, /TIME LEFT/);
    assert.ok(!desk.store.calls().includes("timeLeft"));
  });

  it("are shown also without a config or with a bad one, and it is said what is missing", async () => {
    for (const [config, says] of [
      [null, /no network config at/],
      ["{}", /not valid/],
    ] as const) {
      desk.store.writeConfig(config);
      const { status, out, err } = await desk.run("leases");
      assert.equal(status, 0);
      assert.match(err, says);
      assert.match(out, /1 lease, 1 reserved, 1 bad\n$/);
    }
  });

  it("paint only a terminal", async () => {
    desk.isTerminal = true;
    assert.ok((await desk.run("leases")).out.includes("\u001b[1mSUBNET"));
  });

  it("are asked for their time by a few requests at once, and it is shown how far that is when it takes long", async () => {
    const many = Array.from({ length: 100 }, (_, n) => [`10.5.${n + 100}.0-24`, LEASE]);
    desk.store.write(Object.fromEntries(many), minutes(10));
    let [running, most] = [0, 0];
    desk.wrap = (store) => ({
      ...store,
      timeLeft: async (lease, signal) => {
        most = Math.max(most, ++running);
        await Promise.resolve();
        await desk.clock.advance(seconds(2));
        running -= 1;
        return store.timeLeft(lease, signal);
      },
    });
    const { err } = await desk.run("leases");
    assert.ok(most > 1 && most <= 16, String(most));
    assert.match(err, /^flanneld: asked for the time left of \d+ of 101 leases/);
    desk.isTerminal = true;
    const shown = (await desk.run("leases")).err;
    assert.match(shown, /^\rasked for the time left of \d+ of 101 leases[^\n]*$/);
    assert.ok(shown.endsWith("\r\u001b[K"), "the line is wiped at the end");
  });
});

describe("reserve and release", () => {
  beforeEach(() => {
    desk.store.writeConfig(CONFIG);
    desk.store.write({ [KEY]: LEASE }, minutes(10));
  });

  it("keep a lease for good, and let it end again, with its value untouched", async () => {
    const kept = await desk.run("reserve", "10.5.1.0/24");
    assert.match(kept.out, /^reserved 10\.5\.1\.0\/24 for the host 10\.0\.0\.1/);
    await desk.clock.advance(minutes(60));
    assert.equal(desk.store.records().get(KEY), LEASE);
    assert.match((await desk.run("reserve", "10.5.1.0/24")).out, /already; nothing was changed/);
    const released = JSON.parse((await desk.run("release", "10.5.1.0/24", "--json")).out);
    assert.deepEqual([released.kind, released.changed], ["leased", true]);
    await desk.clock.advance(minutes(23 * 60));
    assert.equal(desk.store.records().get(KEY), LEASE);
    await desk.clock.advance(minutes(61));
    await desk.run("leases");
    assert.equal(desk.store.records().get(KEY), undefined);
  });

  it("keep a free subnet for a host that has not started yet, and delete the record", async () => {
    const { status, out } = await desk.run("reserve", "10.5.7.0/24", "--public-ip=10.0.0.7", "--json");
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(out), {
      key: "10.5.7.0-24",
      subnet: "10.5.7.0/24",
      publicIp: "10.0.0.7",
      backend: "vxlan",
      kind: "reserved",
      expires: null,
      changed: true,
    });
    assert.equal(
      desk.store.records().get("10.5.7.0-24"),
      '{"PublicIP":"10.0.0.7","PublicIPv6":null,"BackendType":"vxlan"}',
    );
    assert.equal((await desk.run("release", "10.5.7.0/24", "--now")).status, 0);
    assert.equal(desk.store.records().has("10.5.7.0-24"), false);
  });

  const refused: readonly (readonly [number, string, RegExp])[] = [
    [64, "reserve 10.5.7.0/24", /is free: say for which host .*--public-ip=ADDRESS/],
    [64, "reserve 10.5.7.9/24 --public-ip=10.0.0.7", /has a host part: did you mean 10\.5\.7\.0\/24\?/],
    [64, "reserve 10.5.7.0 --public-ip=10.0.0.7", /"10\.5\.7\.0" is not a subnet such as/],
    [64, "reserve 10.5.7.0/24 --public-ip=host", /must be an IPv4 address/],
    [64, "reserve 10.5.7.0/24 --public-ip=127.0.0.1", /must be a unicast address/],
    [65, "reserve 10.9.7.0/24 --public-ip=10.0.0.7", /not inside the network/],
    [65, "reserve 10.5.7.0/25 --public-ip=10.0.0.7", /subnets of this network are \/24/],
    [65, "reserve 10.5.7.0/24 --public-ip=10.0.0.1", /a host has one subnet/],
    [65, "release 10.5.1.0/24 --now", /is not reserved but leased .*; --force deletes it now/],
    [65, "release 10.5.1.0-24 --now --force", /is a lease; name it by its subnet/],
  ];
  for (const [status, line, says] of refused) {
    it(`refuse with ${status} and change nothing: ${line}`, async () => {
      const before = world();
      const said = await desk.run(...line.split(" "));
      assert.deepEqual([said.status, said.out], [status, ""]);
      assert.match(said.err, says);
      assert.deepEqual(world(), before);
    });
  }

  it("do nothing the second time, and call that done", async () => {
    const lines: readonly (readonly [string, string])[] = [
      ["reserve 10.5.1.0/24", "reserved"],
      ["release 10.5.1.0/24", "leased"],
      ["release 10.5.1.0/24 --now --force", "deleted"],
      ["reserve 10.5.7.0/24 --public-ip=10.0.0.7", "reserved"],
      ["release 10.5.7.0/24 --now", "deleted"],
    ];
    for (const [line, kind] of lines) {
      const first = await desk.run(...line.split(" "), "--json");
      const done = JSON.parse(first.out);
      assert.deepEqual([first.status, done.kind, done.changed], [0, kind, true], line);
      const before = world();
      const second = await desk.run(...line.split(" "), "--json");
      const again = JSON.parse(second.out);
      const found = kind === "deleted" ? "none" : kind;
      assert.deepEqual([second.status, again.kind, again.changed, again.subnet], [0, found, false, done.subnet], line);
      assert.deepEqual(world(), before, line);
      assert.match((await desk.run(...line.split(" "))).out, /; nothing was changed\n$/);
    }
  });

  it("delete what is no lease when told twice, by its subnet or its key, and nothing else", async () => {
    desk.store.write({ "10.5.8.0-24": "x", "foo/bar": LEASE, foo: LEASE });
    const bad = await desk.run("release", "10.5.8.0/24", "--now", "--force");
    assert.deepEqual([bad.status, bad.out], [0, 'deleted the record "10.5.8.0-24", which was no lease\n']);
    const named = JSON.parse((await desk.run("release", "foo/bar", "--now", "--force", "--json")).out);
    assert.deepEqual([named.key, named.subnet, named.kind, named.changed], ["foo/bar", null, "deleted", true]);
    assert.deepEqual([...desk.store.records().keys()], [KEY, "foo"]);
    const half = await desk.run("release", "foo", "--now");
    assert.equal(half.status, 64);
    assert.match(half.err, /"foo" is not a subnet/);
  });

  it("delete no record that has become a lease meanwhile", async () => {
    desk.store.write({ "10.5.8.0-24": "x" });
    overtake("removeBad", () => desk.store.write({ "10.5.8.0-24": LEASE.replace("10.0.0.1", "10.0.0.8") }));
    const { status } = await desk.run("release", "10.5.8.0-24", "--now", "--force");
    assert.equal(status, 65);
    assert.ok(desk.store.records().has("10.5.8.0-24"));
  });

  it("refuse to judge a subnet without a config, or by one that daemons refuse", async () => {
    desk.store.writeConfig("{}");
    const invalid = await desk.run("reserve", "10.5.1.0/24");
    assert.equal(invalid.status, 78);
    assert.match(invalid.err, /the network config in etcd: \$\.Network: /);
    desk.store.writeConfig(null);
    const none = await desk.run("reserve", "10.5.1.0/24");
    assert.equal(none.status, 78);
    assert.match(none.err, /there is none in etcd/);
  });

  it("decide again when the record was renewed, given away or deleted meanwhile", async () => {
    overtake("setTerm", () => desk.store.write({ [KEY]: LEASE }, minutes(20)));
    assert.match((await desk.run("reserve", "10.5.1.0/24")).out, /its lease does not end any more/);
    overtake("setTerm", () => desk.store.write({ [KEY]: LEASE.replace("10.0.0.1", "10.0.0.99") }));
    assert.match((await desk.run("release", "10.5.1.0/24")).out, /unless flanneld on 10\.0\.0\.99 renews it/);
    overtake("remove", () => desk.store.write({ [KEY]: null }));
    assert.match((await desk.run("release", "10.5.1.0/24", "--force")).out, /^there is no record of 10\.5\.1\.0\/24; /);
  });

  it("never take a subnet from a host that was faster", async () => {
    overtake("reserve", () => desk.store.write({ "10.5.7.0-24": LEASE.replace("10.0.0.1", "10.0.0.5") }, minutes(10)));
    const { status, err } = await desk.run("reserve", "10.5.7.0/24", "--public-ip=10.0.0.7");
    assert.equal(status, 65);
    assert.match(err, /leased by the host 10\.0\.0\.5/);
    assert.equal(desk.store.leaseCount(), 2);
  });

  it("reserve by the config that is there when the record is written", async () => {
    overtake("reserve", () => desk.store.writeConfig('{"Network": "10.9.0.0/16"}'));
    const { status, err } = await desk.run("reserve", "10.5.7.0/24", "--public-ip=10.0.0.7");
    assert.equal(status, 65);
    assert.match(err, /not inside the network 10\.9\.0\.0\/16/);
  });

  it("give up on a record that never rests", async () => {
    overtake("setTerm", () => desk.store.write({ [KEY]: LEASE }, minutes(20)), 100);
    const { status, err } = await desk.run("reserve", "10.5.1.0/24");
    assert.equal(status, 75);
    assert.match(err, /^somebody else changed the record of 10\.5\.1\.0\/24/);
  });
});

describe("a command that is asked for JSON and fails", () => {
  const failures: readonly (readonly [string, string, number, RegExp])[] = [
    ["release 10.5.1.0/24 --now", "request.refused", 65, /^--force deletes it now/],
    ["reserve 10.9.1.0/24", "request.refused", 65, /^null$/],
    ["reserve 10.5.7.0/24", "usage.invalid", 64, /^null$/],
    ["config validate none.json", "file.unreadable", 78, /^null$/],
  ];
  for (const [line, code, status, hint] of failures) {
    it(`says why in JSON, with the same status and sentence: ${line}`, async () => {
      desk.store.writeConfig(CONFIG);
      desk.store.write({ [KEY]: LEASE }, minutes(10));
      const said = await desk.run(...line.split(" "), "--json");
      const { error } = JSON.parse(said.out);
      assert.deepEqual([said.status, error.status, error.code], [status, status, code]);
      assert.equal(said.err, `${error.message}\n`);
      assert.match(String(error.hint), hint);
    });
  }

  it("names every problem of a config and of a command line by its place", async () => {
    const config = '{"Network": "10.5.0.0", "Backend": {"Type": "vxlan", "VNI": 0}}';
    const { status, out, err } = await desk.run("config", "set", config, "--json");
    const { error } = JSON.parse(out);
    assert.deepEqual([status, error.code, err.split("\n").length], [78, "config.invalid", 3]);
    assert.deepEqual(
      error.problems.map(({ at }: { at: string }) => at),
      ["$.Network", "$.Backend.VNI"],
    );
    const usage = failureJson(new FlannelError("usage.invalid", { problems: ["a", "b"] }));
    assert.deepEqual(JSON.parse(JSON.stringify(usage)).error.problems, [
      { at: null, reason: "a" },
      { at: null, reason: "b" },
    ]);
  });

  it("calls a bug one", () => {
    const { error } = JSON.parse(JSON.stringify(failureJson(new TypeError("x"))));
    assert.deepEqual([error.code, error.status, error.message], ["bug", 1, "x"]);
  });
});

describe("the service's settings", () => {
  const locked = { kind: "unreadable", path: "/etc/default/flanneld", reason: "permission denied" } as const;

  it("that cannot be read are not guessed by whoever asks etcd, and not missed by others", async () => {
    desk.settings = [locked];
    const refused = await desk.run("config", "set", CONFIG);
    assert.equal(refused.status, 78);
    assert.match(
      refused.err,
      /^cannot read the service's settings in \/etc\/default\/flanneld: permission denied; become root, or say with/,
    );
    assert.deepEqual(desk.store.calls(), []);
    assert.equal((await desk.run("config", "validate", CONFIG)).status, 0);
    assert.equal((await desk.run("config", "set", CONFIG, "--etcd-endpoints=http://a:1")).status, 0);
  });

  it("are named when etcd does not answer where they say", async () => {
    desk.store.disconnect("connection refused");
    desk.settings = [{ kind: "text", path: "/etc/sysconfig/flanneld", text: "FLANNEL_ETCD=http://a:1\n" }];
    const found = await desk.run("leases");
    assert.match(found.err, /refused; the endpoints are those of FLANNEL_ETCD in \/etc\/sysconfig\/flanneld$/m);
    desk.settings = [];
    assert.match((await desk.run("leases")).err, /refused; these endpoints are the default: --etcd-endpoints names/);
    const named = await desk.run("leases", "--etcd-endpoints=http://a:1");
    assert.match(named.err, /refused; the endpoints are those of -etcd-endpoints$/m);
  });
});

describe("an etcd that does not answer", () => {
  it("is reported with status 75", async () => {
    desk.store.disconnect("connection refused");
    for (const line of ["config get", "leases", "reserve 10.5.1.0/24", "release 10.5.1.0/24"]) {
      const { status, err } = await desk.run(...line.split(" "));
      assert.equal(status, 75, line);
      assert.match(err, /^etcd did not answer \(.*connection refused/);
    }
  });

  it("is waited for as long as was asked for, and not for ever", async () => {
    const silent = (_: unknown, signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    desk.wrap = (store) => ({ ...store, config: (signal) => silent(null, signal) });
    const running = desk.run("config", "get", "--timeout=3", "--etcd-endpoints=http://a:1,http://b:2");
    await desk.clock.advance(seconds(3));
    const { status, err } = await running;
    assert.equal(status, 75);
    assert.match(err, /no answer within 3 s from http:\/\/a:1, http:\/\/b:2 \(--timeout waits longer\)/);
  });

  it("in the middle of a write leaves it open whether that was done, and says so", async () => {
    desk.store.writeConfig(CONFIG);
    desk.store.write({ [KEY]: LEASE }, minutes(10));
    desk.wrap = (store) => ({
      ...store,
      setTerm: (_lease, _ttl, signal) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    });
    const running = desk.run("reserve", "10.5.1.0/24");
    await desk.clock.advance(seconds(10));
    assert.match((await running).err, /whether it was written is not known/);
  });
});
