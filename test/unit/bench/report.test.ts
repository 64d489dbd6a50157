import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PathResult } from "../../../bench/datapath/figures.ts";
import { formatFigures, formatRound } from "../../../bench/datapath/report.ts";
import { judge } from "../../../bench/datapath/targets.ts";
import { formatVerdicts } from "../../../bench/tables.ts";
import { createStyle } from "../../../src/base/terminal-text.ts";
import { measured, troubled } from "./results.ts";

const PLAIN = createStyle({}, {});
const COLUMNS = 120;

/** The widest that can be: all paths, long numbers, a wide spread, and a daemon that says a lot. */
function everything(): readonly PathResult[] {
  const rounds = [{ udp1400Received: 999_999, tcp4Retransmits: 99_999, tcp4GigabitsPerSecond: 88.88 }, {}];
  const names = ["host-gw", "host-gw by hand", "vxlan by hand", "vxlan", "udp", "udp PEER", "udp ours to PEER"];
  const trouble = { kind: "failed", reason: "it cannot be, ".repeat(30) } as const;
  return [...names.map((name) => measured(name, ...rounds)), troubled("udp PEER to ours", trouble)];
}

describe("formatFigures", () => {
  it("shows medians, spreads and the ratios to vxlan", () => {
    const slow = { tcpGigabitsPerSecond: 5, rttP50: 40 };
    const lines = formatFigures([measured("vxlan", {}, {}), measured("udp", slow, { tcpGigabitsPerSecond: 9 })], PLAIN);
    const start = lines.indexOf("TCP, Gbit/s");
    assert.deepEqual(lines.slice(start, start + 4), [
      "TCP, Gbit/s",
      "       1 stream      spread    to vxlan  resent  4 streams  spread    to vxlan  resent",
      "vxlan     10.00                               7      20.00                       1,234",
      "udp        7.00  5.0 to 9.0  0.70 ±0.20       7      20.00          1.00 ±0.00   1,234",
    ]);
    assert.match(lines.join("\n"), /udp +10 +30 +20 to 40 +1\.50 ±0\.50 +30 +40 +50/);
  });

  it("fits into a terminal of 120 columns, whatever there is to say", () => {
    const results = everything();
    const lines = [...formatFigures(results, PLAIN), ...formatVerdicts(judge(results, true), PLAIN)];
    for (const line of lines) assert.ok(line.length <= COLUMNS, `${line.length}: ${line}`);
  });

  it("gives the reason for a path without figures, and no table when there are none at all", () => {
    const reason = "the backend udp is not built into this flanneld yet";
    const lines = formatFigures([troubled("udp", { kind: "not built", reason })], PLAIN);
    assert.deepEqual(lines, ["", "Not measured", `  udp: not built: ${reason}`]);
  });
});

describe("formatVerdicts", () => {
  it("has a line for each target, and none when there is none", () => {
    const lines = formatVerdicts(judge([measured("vxlan", {}), measured("udp", {})], false), PLAIN);
    assert.deepEqual(lines.slice(0, 3), [
      "",
      "Targets",
      "  met      udp: one TCP stream at least 0.8 times vxlan                1.00",
    ]);
    assert.match(lines.at(-1) ?? "", /^ {11}For information: this run received 1\.1 times/);
    assert.deepEqual(formatVerdicts([], PLAIN), []);
  });
});

describe("formatRound", () => {
  it("is half a line", () => {
    const [figures] = measured("udp", {}).rounds;
    assert.ok(figures);
    const expected = "TCP 10.00 and 20.00 Gbit/s, UDP 70,000 and 90,000 packets/s, RTT 20 µs";
    assert.equal(formatRound(figures), expected);
  });
});
