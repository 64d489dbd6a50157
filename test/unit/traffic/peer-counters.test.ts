import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlannelError } from "../../../src/base/errors.ts";
import type { Prefix } from "../../../src/base/ip.ts";
import type { WatchRules } from "../../../src/firewall/hints.ts";
import type { ToolResult } from "../../../src/firewall/tool.ts";
import { openNftTable } from "../../../src/traffic/nft-table.ts";
import { createPeerCounters } from "../../../src/traffic/peer-counters.ts";
import { countedSubnets } from "../../contract/nft-traffic.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createFakeNft } from "../../fakes/fake-nft.ts";
import { createFakeRuleHints } from "../../fakes/fake-rule-hints.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";

const TABLE = "flannel-traffic/test";
const A = "10.5.1.0/24" as Prefix;
const ONE = countedSubnets(A, "10.5.2.0/24");

function start(options: { readonly watchRules?: WatchRules } = {}) {
  const clock = createFakeClock();
  const log = createCapturedLog();
  const hints = createFakeRuleHints();
  const nft = createFakeNft(hints.tell);
  const stop = new AbortController();
  let changes = 0;
  const counters = createPeerCounters(TABLE, openNftTable(TABLE, { runTool: nft.runTool, clock }), {
    clock,
    log,
    random: createSeededRandom(1),
    watchRules: options.watchRules ?? hints.watchRules,
    onChange: () => {
      changes += 1;
    },
  });
  const running = counters.run(stop.signal);
  return {
    clock,
    log,
    nft,
    hints,
    counters,
    changes: () => changes,
    /** Processes since this was last asked. */
    calls: () => nft.calls.splice(0),
    has: () => [...(nft.tables.get(TABLE)?.sets.get("sent-ipv4-24")?.keys() ?? [])],
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

describe("what counts traffic by peer", () => {
  it("is made once the peers are known, and found again as it was made", async () => {
    await using host = start();
    await host.clock.advance(300_000);
    assert.deepEqual(host.calls(), []);
    host.counters.follow(ONE);
    await host.clock.advance(600_000);
    assert.deepEqual(host.calls(), ["list", "change", "list", "list"], "once more because it is announced");
    assert.deepEqual(host.has(), ["10.5.1.0", "10.5.2.0"]);
    assert.deepEqual(host.log.messages(), ["traffic is counted by peer"]);
    assert.equal(host.counters.trouble(), null);
  });

  it("is changed once for any number of changes that come together, and not looked at while nothing changes", async () => {
    await using host = start();
    host.counters.follow(ONE);
    await host.clock.advance(1000);
    host.calls();
    for (let number = 0; number < 100; number++) host.counters.follow(countedSubnets(A, `10.5.${100 + number}.0/24`));
    await host.clock.advance(2000);
    assert.deepEqual(host.calls(), ["change", "list"], "a peer that goes is announced");
    assert.deepEqual(host.has(), ["10.5.1.0", "10.5.199.0"]);
    host.counters.follow(countedSubnets(A, "10.5.199.0/24"));
    await host.clock.advance(600_000);
    assert.deepEqual(host.calls(), []);
  });

  it("goes on where the last run has left it", async () => {
    await using host = start();
    host.counters.follow(ONE);
    await host.clock.advance(1000);
    host.nft.count(TABLE, "sent-ipv4-24", "10.5.1.0", 5, 500);
    const { tables } = host.nft;
    await using next = start();
    for (const [name, table] of tables) next.nft.tables.set(name, table);
    next.counters.follow(ONE);
    await next.clock.advance(1000);
    assert.deepEqual(next.calls(), ["list"]);
    assert.equal((await next.counters.read()).get(A)?.sentBytes, 500);
  });

  it("is put back without a word of trouble when somebody has deleted it as soon as it was made", async () => {
    await using host = start();
    host.nft.afterChange = () => {
      host.nft.tables.clear();
      host.nft.afterChange = () => {};
    };
    host.counters.follow(ONE);
    await host.clock.advance(1000);
    assert.deepEqual(host.has(), ["10.5.1.0", "10.5.2.0"]);
    assert.deepEqual(host.log.messages(), ["traffic is counted by peer"]);
  });

  it("is put back soon after somebody has deleted it, with a warning", async () => {
    await using host = start();
    host.counters.follow(ONE);
    await host.clock.advance(1000);
    host.nft.tables.clear();
    host.hints.tell({ table: TABLE, chain: null });
    await host.clock.advance(1000);
    assert.deepEqual(host.has(), ["10.5.1.0", "10.5.2.0"]);
    host.nft.tables.get(TABLE)?.sets.get("sent-ipv4-24")?.clear();
    host.hints.tell({ table: null, chain: null });
    await host.clock.advance(1000);
    assert.deepEqual(host.has(), ["10.5.1.0", "10.5.2.0"]);
    assert.equal(host.log.messages("warn").length, 1, "a quarrel is not told each time");
    await host.clock.advance(120_000);
    host.nft.tables.clear();
    host.hints.tell({ table: TABLE, chain: null });
    await host.clock.advance(1000);
    assert.deepEqual(
      host.log.lines.filter(({ level }) => level === "warn").map(({ fields }) => fields.count),
      [undefined, 3],
    );
  });

  it("is looked at again when a change fails, because somebody was there before", async () => {
    await using host = start();
    host.counters.follow(ONE);
    await host.clock.advance(1000);
    host.nft.tables.get(TABLE)?.sets.get("sent-ipv4-24")?.delete("10.5.2.0");
    host.counters.follow(countedSubnets(A));
    await host.clock.advance(600);
    assert.match(host.counters.trouble() ?? "", /No such file or directory/);
    host.counters.follow(countedSubnets(A, "10.5.3.0/24"));
    await host.clock.advance(1000);
    assert.equal(host.counters.trouble(), null);
    assert.deepEqual(host.has(), ["10.5.1.0", "10.5.3.0"]);
  });

  it("is not looked at for what others change", async () => {
    await using host = start();
    host.counters.follow(ONE);
    await host.clock.advance(1000);
    host.calls();
    for (const table of ["filter", "flannel-ipv4", "flannel-traffic/other"]) host.hints.tell({ table, chain: null });
    await host.clock.advance(5000);
    assert.deepEqual(host.calls(), []);
  });

  it("is looked at once a minute where nobody announces changes", async () => {
    const deaf: WatchRules = () => {
      throw new FlannelError("netlink.errno", { op: "a netlink socket", errno: "EPROTONOSUPPORT", message: null });
    };
    await using host = start({ watchRules: deaf });
    host.counters.follow(ONE);
    await host.clock.advance(1000);
    host.nft.tables.clear();
    await host.clock.advance(61_000);
    assert.deepEqual(host.has(), ["10.5.1.0", "10.5.2.0"]);
  });
});

describe("the counters", () => {
  it("are read when somebody asks, once for all who ask within a second", async () => {
    await using host = start();
    assert.equal((await host.counters.read()).size, 0);
    host.counters.follow(ONE);
    await host.clock.advance(2000);
    host.nft.count(TABLE, "sent-ipv4-24", "10.5.1.0", 1, 84);
    host.calls();
    const [first, second] = await Promise.all([host.counters.read(), host.counters.read()]);
    await host.counters.read();
    assert.deepEqual(host.calls(), ["list"]);
    assert.deepEqual(first.get(A), { receivedBytes: 0, receivedPackets: 0, sentBytes: 84, sentPackets: 1 });
    assert.equal(first, second);
    await host.clock.advance(1000);
    host.nft.count(TABLE, "sent-ipv4-24", "10.5.1.0", 2, 168);
    assert.equal((await host.counters.read()).get(A)?.sentPackets, 2);
  });

  it("show by the way what nobody has announced", async () => {
    await using host = start();
    host.counters.follow(ONE);
    await host.clock.advance(2000);
    host.nft.tables.clear();
    assert.equal((await host.counters.read()).size, 0);
    await host.clock.advance(1000);
    assert.deepEqual(host.has(), ["10.5.1.0", "10.5.2.0"]);
  });

  it("are not waited for long, and asked for again by the next", async () => {
    await using host = start();
    host.counters.follow(ONE);
    await host.clock.advance(2000);
    host.nft.answer = new Promise<ToolResult>(() => {});
    const reading = host.counters.read();
    const failed = assert.rejects(reading, /no answer within 2000 ms/);
    await host.clock.advance(2000);
    await failed;
    host.nft.answer = null;
    assert.equal((await host.counters.read()).size, 2);
  });
});

describe("what keeps traffic from being counted", () => {
  const ended = (stderr: string): ToolResult => ({ kind: "ended", status: 1, stdout: "", stderr });

  it("is told with what to do, and over once it can be done", async () => {
    await using host = start();
    host.nft.answer = { kind: "missing" };
    host.counters.follow(ONE);
    await host.clock.advance(1000);
    const needs = "--peer-traffic needs nft, which is not in the PATH: install nftables, or start without the flag";
    assert.equal(host.counters.trouble(), needs);
    host.nft.answer = null;
    await host.clock.advance(10_000);
    assert.equal(host.counters.trouble(), null);
    assert.deepEqual(host.has(), ["10.5.1.0", "10.5.2.0"]);
    assert.equal(host.changes(), 2);
    assert.deepEqual(host.log.messages(), [
      "cannot count traffic by peer",
      "traffic is counted by peer",
      "traffic is counted by peer again",
    ]);
  });

  it("may be the kernel", async () => {
    await using host = start();
    host.nft.isCounting = false;
    host.counters.follow(ONE);
    await host.clock.advance(1000);
    assert.match(host.counters.trouble() ?? "", /this kernel does not count by element .* Linux 5\.7 and newer/);
    await host.clock.advance(3_600_000);
    assert.ok(host.calls().length < 60, "it is not tried all the time");
    assert.equal((await host.counters.read()).size, 0);
  });

  it("may be nft, which is told apart by what it says", async () => {
    await using host = start();
    host.counters.follow(ONE);
    const said = "/dev/stdin:1:1-7: Error: syntax error, unexpected counter\n";
    const nft = openNftTable(TABLE, { clock: host.clock, runTool: async () => ended(said) });
    await assert.rejects(nft.change("add set", new AbortController().signal), /too old .* nftables 0\.9\.8 and newer/);
    host.nft.answer = ended("netlink: Error: cache initialization failed: Operation not permitted\n");
    await host.clock.advance(1000);
    assert.match(host.counters.trouble() ?? "", /^nft failed: exit status 1: .*Operation not permitted$/);
  });

  const otherwise: readonly (readonly [string, (json: string) => string])[] = [
    ["with what was never made", (json) => json.replace('"nftables":[', '"nftables":[{"quota":{}},')],
    ["without comments", (json) => json.replaceAll(/"comment":"[^"]*",/g, "")],
  ];
  for (const [how, print] of otherwise) {
    it(`may be an nft that prints the table ${how}, which is not made for ever`, async () => {
      await using host = start();
      host.nft.print = print;
      host.counters.follow(ONE);
      await host.clock.advance(1000);
      const { trouble } = host.counters;
      assert.match(trouble() ?? "", /is not read as it was written/);
      const others = countedSubnets(A, "10.5.3.0/24");
      for (let minute = 0; minute < 60; minute++) {
        host.counters.follow(minute % 2 === 0 ? others : ONE);
        await host.counters.read();
        await host.clock.advance(60_000);
        assert.match(trouble() ?? "", /is not read as it was written/);
      }
      const made = host.calls().filter((call) => call === "change");
      assert.ok(made.length < 60, `it was made ${made.length} times in an hour`);
      assert.deepEqual([...new Set(host.log.messages())], ["cannot count traffic by peer"]);
      assert.equal(host.changes(), 1);
      host.nft.print = (json) => json;
      await host.clock.advance(300_000);
      assert.equal(trouble(), null);
      assert.deepEqual(host.has(), ["10.5.1.0", "10.5.2.0"]);
    });
  }

  it("may be JSON that cannot be read", async () => {
    await using host = start();
    host.nft.print = () => "no JSON";
    host.counters.follow(ONE);
    await host.clock.advance(1000);
    assert.match(host.counters.trouble() ?? "", /its JSON cannot be read/);
  });
});
