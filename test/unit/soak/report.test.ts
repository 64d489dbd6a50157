import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatEpisode, formatStory, formatTrouble, summarise, toJson } from "../../../soak/report.ts";
import type { Episode, Story } from "../../../soak/story.ts";
import { millis } from "../../../src/base/brand.ts";
import { createStyle } from "../../../src/base/terminal-text.ts";

const PLAIN = createStyle({}, {});

function episode(fault: string, recovery: number, packets: Partial<Episode["packets"]> = {}): Episode {
  const none = { sent: 3000, lost: 0, shared: 0, excused: 0, unexplained: [], underlay: { sent: 3000, lost: 0 } };
  const times = { at: millis(0), lasted: millis(1000), recovery: millis(recovery) };
  return { fault, host: "h2", ...times, packets: { ...none, ...packets } };
}

const BUSY = episode("etcd-full", 300, { lost: 3, shared: 2, excused: 1, underlay: { sent: 3000, lost: 5 } });
const EPISODES = [episode("etcd-killed", 250), BUSY, episode("etcd-killed", 4150)];
const STORY: Story = {
  backend: "vxlan",
  seed: 7,
  members: 1,
  episodes: EPISODES,
  changes: 9,
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
      /3 lost \(1 that the fault may cost, 2 with the underlay\); underlay 5 of 3000 lost$/,
    );
  });
});

describe("the result", () => {
  it("has a row for each fault, with the longest recovery, and one for all", () => {
    assert.deepEqual(formatStory(STORY, PLAIN), [
      "",
      "vxlan, seed 7",
      "fault        times  packets  lost  may be lost  underlay lost  longest recovery, s",
      "etcd-full        1     3000     3            3              5                  0.3",
      "etcd-killed      2     6000     0            0              0                  4.2",
      "all              3     9000     3            3              5                  4.2",
      "",
      "vxlan: all held through 3 faults; 9 changes of records were judged.",
    ]);
  });

  it("says when something broke, and how to have it again", () => {
    assert.match(formatStory(BROKEN, PLAIN).at(-1) ?? "", /^vxlan: broken.*--backend vxlan --seed 7$/);
    assert.deepEqual(formatTrouble(BROKEN), ["BROKEN: flanneld on h1 has ended", "log of h1:", "  bye"]);
  });

  it("is there for programs, too", () => {
    assert.deepEqual(toJson([STORY]), [{ ...STORY, held: true, faults: summarise(EPISODES) }]);
    assert.deepEqual(toJson([BROKEN]), [{ ...BROKEN, held: false, faults: summarise(EPISODES) }]);
  });
});
