import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Finding, measureChecksums } from "../../../src/offload/measure.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createFakePackets, type Fate, type SentProbe } from "../../fakes/fake-packet-socket.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { checksumPathTo } from "../../support/checksum-path.ts";

const PEERS = ["10.5.20.0", "10.5.30.0", "10.5.40.0"];

async function measure(
  fate: (probe: SentProbe, number: number) => Fate,
  peers: readonly string[] = PEERS,
): Promise<{
  readonly finding: Finding;
  readonly sent: readonly SentProbe[];
  readonly ms: number;
  readonly looks: number;
}> {
  const clock = createFakeClock();
  let number = 0;
  const packets = createFakePackets((probe) => fate(probe, number++));
  const deps = { openPacketSocket: packets.open, clock, random: createSeededRandom(1) };
  let finding: Finding | null = null;
  let ms = 0;
  const measuring = measureChecksums(checksumPathTo(...peers), deps, new AbortController().signal).then((found) => {
    finding = found;
    ms = clock.monotonic();
  });
  await clock.advance(20_000);
  await measuring;
  return { finding: finding ?? assert.fail(), sent: packets.sent, ms, looks: packets.looks() };
}

const only = (peer: string, fate: Fate) => (probe: SentProbe) => (probe.peer === peer ? fate : "lost");

describe("the measurement of checksums", () => {
  for (const answer of ["refused", "accepted", "forbidden"] as const) {
    it(`finds them intact at once when every peer has ${answer}`, async () => {
      const { finding, sent, ms } = await measure(() => answer);
      assert.deepEqual(finding, { kind: "intact" });
      assert.equal(sent.length, 2 * PEERS.length);
      assert.ok(ms < 100, `${ms} ms`);
    });
  }

  it("finds them wrong when only probes that are complete are answered, three times over, by the peers that show it", async () => {
    const { finding, sent } = await measure(({ peer, isLeft }) =>
      peer === "10.5.40.0" || isLeft ? "lost" : "refused",
    );
    assert.equal(finding.kind, "corrupt");
    const peers = finding.kind === "corrupt" ? finding.peers.map(({ ip }) => ip as string) : [];
    assert.deepEqual(peers.toSorted(), ["10.5.20.0", "10.5.30.0"]);
    assert.equal(sent.filter(({ peer, isLeft }) => peer === "10.5.20.0" && isLeft).length, 9);
    assert.equal(sent.filter(({ peer, isLeft }) => peer === "10.5.20.0" && !isLeft).length, 3);
  });

  it("finds them wrong although another peer gets them right: packets to the first are lost", async () => {
    const { finding } = await measure(({ peer, isLeft }) => (peer === "10.5.20.0" && isLeft ? "lost" : "refused"));
    assert.equal(finding.kind, "corrupt");
  });

  it("finds nothing when nobody answers", async () => {
    const { finding, looks } = await measure(() => "lost");
    assert.deepEqual(finding, { kind: "silent", asked: 3 });
    assert.ok(looks < 30, `looked ${looks} times`);
  });

  it("finds them intact when one peer of three answers", async () => {
    assert.deepEqual((await measure(only("10.5.30.0", "refused"))).finding, { kind: "intact" });
  });

  it("takes a loss for a loss: what was left to the card is answered in the last round", async () => {
    const { finding } = await measure(
      ({ isLeft }, number) => (isLeft && number < 10 ? "lost" : "refused"),
      ["10.5.20.0"],
    );
    assert.deepEqual(finding, { kind: "intact" });
  });

  it("does not find them wrong where most packets are lost, whichever they are", async () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = createSeededRandom(seed);
      const { finding } = await measure(() => (random.integer(1, 10) <= 3 ? "lost" : "refused"));
      assert.notEqual(finding.kind, "corrupt", `seed ${seed}`);
    }
  });

  it("asks three peers at most, and each with eighteen packets", async () => {
    const peers = Array.from({ length: 50 }, (_, index) => `10.5.${index + 10}.0`);
    const { sent } = await measure(({ isLeft }) => (isLeft ? "lost" : "refused"), peers);
    assert.equal(new Set(sent.map(({ peer }) => peer)).size, 3);
    assert.ok(sent.length <= 3 * 18, `${sent.length} packets`);
  });
});
