import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Episode } from "../../../soak/episode.ts";
import { FAULTS } from "../../../soak/faults.ts";
import {
  formatBegin,
  formatEpisode,
  formatFaults,
  formatStory,
  formatTrouble,
  summarise,
  toJson,
} from "../../../soak/report.ts";
import type { Story } from "../../../soak/story.ts";
import { millis } from "../../../src/base/brand.ts";
import { createStyle } from "../../../src/base/terminal-text.ts";

const PLAIN = createStyle({}, {});

function episode(fault: string, recovery: number, packets: Partial<Episode["packets"]> = {}): Episode {
  const underlay = { sent: 3000, lost: 0 };
  const none = { sent: 3000, lost: 0, shared: 0, excused: 0, outage: millis(0), unexplained: [], underlay };
  const times = { at: millis(0), lasted: millis(1000), recovery: millis(recovery) };
  return { fault, host: "h2", ...times, packets: { ...none, ...packets } };
}

const BUSY = episode("device-deleted", 300, {
  ...{ lost: 3, shared: 2, excused: 1, outage: millis(34), underlay: { sent: 3000, lost: 5 } },
});
const EPISODES = [episode("etcd-killed", 250), BUSY, episode("etcd-killed", 4150)];
const STORY: Story = {
  backend: "vxlan",
  seed: 7,
  members: 1,
  firewall: "iptables",
  choice: [],
  episodes: EPISODES,
  changes: 9,
  interrupted: false,
  troubles: [],
  lastLines: [],
};
const BROKEN: Story = { ...STORY, troubles: ["flanneld on h1 has ended"], lastLines: ["log of h1:", "  bye"] };

describe("a line of progress", () => {
  it("has the fault, the host, its time, the recovery and the packets", () => {
    assert.equal(
      formatEpisode(episode("etcd-killed", 250)),
      "etcd-killed           h2    1.0 s, well after   0.3 s    3000 packets, 0 lost",
    );
  });

  it("says whose fault losses were", () => {
    assert.match(
      formatEpisode(BUSY),
      /3 lost \(1 that the fault may cost, the last after 0\.03 s, 2 with the underlay\); underlay 5 of 3000 lost$/,
    );
  });
});

describe("what is being done", () => {
  it("has the fault, the host, how long it lasts, and how much time is left", () => {
    const line = (turns: number | null) =>
      formatBegin("cable-out", "h2", millis(1240), { time: millis(61_400), turns });
    assert.deepEqual([line(null), line(7)], ["cable-out on h2, 1.2 s; 1:01 left", "cable-out on h2, 1.2 s; 7 left"]);
  });
});

describe("the list of faults", () => {
  it("has each once, under its kind, with what it needs", () => {
    const lines = formatFaults(FAULTS);
    assert.equal(lines.filter((line) => line.startsWith("  ")).length, FAULTS.length);
    assert.ok(lines.includes("underlay"));
    assert.match(lines.find((line) => line.startsWith("  fdb-deleted ")) ?? "", /entry is deleted \(vxlan\)$/);
    assert.match(lines.find((line) => line.startsWith("  entries-added ")) ?? "", /flanneld's$/);
    assert.match(lines.find((line) => line.startsWith("  forward-drop ")) ?? "", /\(--firewall iptables\)$/);
    assert.match(lines.find((line) => line.startsWith("  member-frozen ")) ?? "", /\(--members 3\)$/);
  });
});

describe("the result", () => {
  it("has a row for each fault, with the longest recovery, and one for all", () => {
    assert.deepEqual(formatStory(STORY, PLAIN), [
      "",
      "vxlan, seed 7",
      "fault           times  packets  lost  may be lost  underlay lost  longest outage, s  longest recovery, s",
      "device-deleted      1     3000     3            3              5               0.03                  0.3",
      "etcd-killed         2     6000     0            0              0               0.00                  4.2",
      "all                 3     9000     3            3              5               0.03                  4.2",
      "",
      "vxlan: all held through 3 faults; 9 changes of records were judged.",
    ]);
  });

  it("says when something broke, and how to have it again", () => {
    assert.match(formatStory(BROKEN, PLAIN).at(-1) ?? "", /^vxlan: broken.*--backend vxlan --seed 7$/);
    const others: Story = { ...BROKEN, members: 3, firewall: "nftables", choice: ["--only kernel"] };
    assert.match(formatStory(others, PLAIN).at(-1) ?? "", /--seed 7 --members 3 --firewall nftables --only kernel$/);
    assert.deepEqual(formatTrouble(BROKEN), ["BROKEN: flanneld on h1 has ended", "log of h1:", "  bye"]);
  });

  it("says how far it came when it was interrupted", () => {
    const text = formatStory({ ...STORY, interrupted: true }, PLAIN).at(-1);
    assert.equal(text, "vxlan: interrupted; until then all held through 3 faults; 9 changes of records were judged.");
  });

  it("is there for programs, too", () => {
    assert.deepEqual(toJson([STORY]), [{ ...STORY, held: true, faults: summarise(EPISODES) }]);
    assert.deepEqual(toJson([BROKEN]), [{ ...BROKEN, held: false, faults: summarise(EPISODES) }]);
  });
});
