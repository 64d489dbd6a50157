import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { awaitNetworkConfig } from "../../../src/subnet/await-config.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { createScriptedStore } from "../../support/scripted-store.ts";

const KEY = "/coreos.com/network/config";
const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';

function start({ recall = async () => null }: { readonly recall?: () => Promise<string | null> } = {}) {
  const clock = createFakeClock();
  const store = createScriptedStore({ clock });
  const log = createCapturedLog();
  const stop = new AbortController();
  const waiting: string[] = [];
  const deps = {
    store,
    clock,
    log,
    random: createSeededRandom(1),
    onWaiting: (reason: string) => waiting.push(reason),
    recall,
    lookAhead: async () => {},
    etcd: { endpoints: [], username: null, tls: { caFile: null, certFile: null, keyFile: null } },
  };
  return { clock, store, log, stop, waiting, wait: () => awaitNetworkConfig(KEY, deps, stop.signal) };
}

/** The words of a command as a shell splits it. */
function shellWords(command: string): readonly string[] {
  const script = `ETCDCTL_API=; etcdctl() { printf '%s\\0' "$@"; }; ${command}`;
  return execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0").slice(0, -1);
}

describe("waiting for the network config", () => {
  it("gives the config that is there", async () => {
    const { store, wait, log } = start();
    store.setConfig(CONFIG);
    const { text, fresh, list } = await wait();
    assert.deepEqual([text, fresh, list?.leases], [CONFIG, true, []]);
    assert.deepEqual(store.calls, ["survey"]);
    assert.deepEqual(log.lines, []);
  });

  it("waits for one that is missing, tells so once a minute at most, and takes it when it appears", async () => {
    const { clock, store, wait, log, waiting } = start();
    const found = wait();
    await clock.advance(59_000);
    assert.equal(log.messages("warn").length, 1);
    assert.match(log.lines[0]?.fields.reason ?? "", /no network config at \/coreos\.com\/network\/config/);
    assert.ok(store.count("networkConfig") > 20, "asked every two seconds or so");
    await clock.advance(241_000);
    assert.ok(log.messages("warn").length <= 5);
    assert.match(waiting[0] ?? "", /no network config/);
    store.setConfig(CONFIG);
    await clock.advance(2000);
    assert.equal((await found).text, CONFIG);
    assert.equal(log.messages("info").at(-1), "found the network config");
  });

  it("says how to write one", async () => {
    const { clock, wait, log, stop } = start();
    const found = wait();
    await clock.advance(100);
    const hint = log.lines[0]?.fields.hint ?? "";
    const [verb, key, value = ""] = shellWords(hint);
    assert.deepEqual([verb, key], ["put", KEY]);
    assert.ok(JSON.parse(value));
    stop.abort(new Error("stopped"));
    await assert.rejects(found, /stopped/);
  });

  it("finds a config that only the v2 API can see, and gives the command that copies it whatever is in it", async () => {
    const { clock, store, wait, log, stop } = start();
    const old = `{"Network": "10.5.0.0/16", "Comment": "it's $HOME \`id\` \\\\ \\"ours\\""}`;
    store.setV2Config(`${old}\n`);
    const found = wait();
    await clock.advance(100);
    assert.match(log.lines[0]?.fields.reason ?? "", /v2 store/);
    assert.deepEqual(shellWords(log.lines[0]?.fields.hint ?? ""), ["put", KEY, old]);
    stop.abort(new Error("stopped"));
    await assert.rejects(found, /stopped/);
  });

  it("waits for an etcd that does not answer", async () => {
    const { clock, store, wait, log, waiting } = start();
    store.setConfig(CONFIG);
    store.disconnect();
    const found = wait();
    await clock.advance(30_000);
    assert.equal(log.messages("warn").length, 1);
    assert.match(waiting.at(-1) ?? "", /etcd did not answer .*connection refused/);
    store.connect();
    await clock.advance(2000);
    await found;
    assert.equal(store.count("v2NetworkConfig"), 0);
  });

  it("does not judge the config, but names members that nobody reads", async () => {
    const { store, wait, log } = start();
    store.setConfig('{"Network": ');
    assert.equal((await wait()).text, '{"Network": ');
    store.setConfig('{"Network": "10.5.0.0/16", "Netwrok": 1}');
    await wait();
    assert.deepEqual(
      log.lines.map(({ fields }) => fields.reason),
      ["$.Netwrok"],
    );
  });

  it("gives what is remembered when etcd has not answered for two seconds, and not before", async () => {
    const recalled: number[] = [];
    const { clock, store, wait } = start({
      recall: async () => {
        recalled.push(clock.monotonic());
        return CONFIG;
      },
    });
    store.disconnect();
    const found = wait();
    await clock.advance(1999);
    assert.deepEqual(recalled, []);
    await clock.advance(3000);
    assert.deepEqual(await found, { text: CONFIG, fresh: false, list: null });
    assert.equal(recalled.length, 1);
  });

  it("goes on waiting when nothing is remembered, or when etcd says that there is no config", async () => {
    let recalls = 0;
    const { clock, store, wait } = start({
      recall: async () => {
        recalls += 1;
        return null;
      },
    });
    const found = wait();
    await clock.advance(10_000);
    assert.equal(recalls, 0);
    store.disconnect();
    await clock.advance(10_000);
    assert.ok(recalls > 0);
    store.setConfig(CONFIG);
    store.connect();
    await clock.advance(5000);
    assert.deepEqual(await found, { text: CONFIG, fresh: true, list: null });
  });

  it("throws what waiting would not mend", async () => {
    const { store, wait } = start();
    store.before(() => {
      throw new TypeError("a bug");
    });
    await assert.rejects(wait(), /a bug/);
  });
});
