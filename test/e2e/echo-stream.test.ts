import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type EchoStream, startEchoStream } from "../../lab/echo-stream.ts";
import { run } from "../../lab/run.ts";
import { inNamespace, type Machine, openTopology, type Topology } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { millis, seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";

const { signal } = new AbortController();

/** Of a request on the wire, as IPv4 counts. */
const PACKET_BYTES = 80;
const DROPPED = 50;

describe("a stream of echo requests", () => {
  let topology: Topology;
  let stream: EchoStream;
  let far: Machine;
  before(async () => {
    topology = await openTopology({ hosts: 2 }, signal);
    const [near, other] = topology.hosts;
    assert.ok(near && other);
    far = other;
    const way = { namespace: near.namespace, destination: far.address };
    stream = topology.own(startEchoStream({ ...way, interval: millis(2), wait: millis(500) }));
    // Until the neighbours have found each other.
    await stream.take(systemClock.now(), signal);
  });
  after(async () => topology?.[Symbol.asyncDispose]());

  it("loses nothing where nothing is lost, and counts what it sends", async () => {
    const from = systemClock.now();
    const look = () => (systemClock.now() - from > 500 ? true : null);
    await waitFor("some packets", look, seconds(10), signal);
    const { sent, lost } = await stream.take(systemClock.now(), signal);
    assert.deepEqual(lost, []);
    assert.ok(sent > 20, `${sent} packets`);
  });

  it("names every packet that is lost, and when it was sent", async () => {
    const from = systemClock.now();
    const rules = [
      "add table inet loss",
      "add chain inet loss input { type filter hook input priority 0; }",
      `add rule inet loss input icmp type echo-request quota until ${DROPPED * PACKET_BYTES} bytes counter name dropped drop`,
    ].join("\n");
    const withCounter = rules.replace("add chain", "add counter inet loss dropped\nadd chain");
    await run(inNamespace(far.namespace, ["nft", "-f", "-"]), { input: `${withCounter}\n` }, signal);
    const look = async () => {
      const list = inNamespace(far.namespace, ["nft", "list", "counter", "inet", "loss", "dropped"]);
      return (await run(list, {}, signal)).stdout.includes(`packets ${DROPPED} `) || null;
    };
    await waitFor(`${DROPPED} packets to be dropped`, look, seconds(10), signal);
    const { lost } = await stream.take(systemClock.now(), signal);
    assert.equal(lost.length, DROPPED);
    assert.equal((lost.at(-1)?.number ?? 0) - (lost[0]?.number ?? 0), DROPPED - 1);
    assert.ok(lost.every(({ sentAt }) => sentAt >= from && sentAt <= systemClock.now()));
  });
});
