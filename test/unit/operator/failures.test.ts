// What a command says when it fails, to people and to programs.

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { minutes, seconds } from "../../../src/base/brand.ts";
import { FlannelError } from "../../../src/base/errors.ts";
import { failureJson } from "../../../src/operator/failure.ts";
import { type OperatorDesk, openDesk } from "../../support/operator.ts";

const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
const LEASE =
  '{"PublicIP":"10.0.0.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}}';
const KEY = "10.5.1.0-24";
let desk: OperatorDesk;

beforeEach(() => {
  desk = openDesk();
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
