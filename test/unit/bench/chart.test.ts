import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { drawChart } from "../../../bench/datapath/chart.ts";
import { measured, troubled } from "./results.ts";

const TEXT = { title: "What it costs", subtitle: "here" };
const VALUES_A_PATH = 7;

/** Enough of XML for what we draw: every element is closed in order, and no stray "&" or "<" is in a text. */
function assertWellFormed(xml: string): void {
  const open: string[] = [];
  for (const [tag, slash, name, end] of xml.matchAll(/<(\/?)([a-z]+)(?: [a-zA-Z0-9:-]+="[^"<&]*")*(\/?)>/g)) {
    if (slash) assert.equal(open.pop(), name, tag);
    else if (!end) open.push(name ?? "");
  }
  assert.deepEqual(open, []);
  const rest = xml.replace(/<\/?[a-z]+(?: [a-zA-Z0-9:-]+="[^"<&]*")*\/?>/g, "").replace(/&(amp|lt|gt|quot|apos);/g, "");
  assert.doesNotMatch(rest, /[<&]/);
}

describe("drawChart", () => {
  it("is well-formed and needs nothing from elsewhere", () => {
    const svg = drawChart([measured("vxlan", {}, {}), measured("udp", {})], TEXT);
    assertWellFormed(svg);
    assert.doesNotMatch(svg, /<script|href=|url\(|@import|@font-face/);
  });

  it("has one bar for each value, and the value beside it", () => {
    const svg = drawChart([measured("vxlan", {}), measured("udp", { rttP50: 77 })], TEXT);
    assert.equal(svg.match(/class="bar /g)?.length, 2 * VALUES_A_PATH);
    assert.equal(svg.match(/class="value"/g)?.length, 2 * VALUES_A_PATH);
    assert.match(svg, />77</);
  });

  it("draws bars in proportion, the longest within its panel", () => {
    const speeds = [measured("vxlan", { tcpGigabitsPerSecond: 10 }), measured("udp", { tcpGigabitsPerSecond: 5 })];
    const svg = drawChart(speeds, TEXT);
    const widths = [...svg.matchAll(/class="bar s0"[^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width));
    assert.ok(Math.abs((widths[0] ?? 0) / (widths[1] ?? 1) - 2) < 0.01, String(widths));
  });

  it("shows how far the rounds were apart", () => {
    const rounds = [{ tcpGigabitsPerSecond: 8 }, { tcpGigabitsPerSecond: 12 }];
    assert.equal(drawChart([measured("vxlan", ...rounds)], TEXT).match(/class="range"/g)?.length, 1);
    assert.equal(drawChart([measured("vxlan", {})], TEXT).match(/class="range"/g), null);
  });

  it("names a path without figures, and why there are none", () => {
    const svg = drawChart([troubled("udp", { kind: "not built", reason: "no" })], TEXT);
    assertWellFormed(svg);
    assert.match(svg, />udp<.*>not built</);
    assert.doesNotMatch(svg, /class="bar |NaN|Infinity/);
  });

  it("escapes what it is given", () => {
    const svg = drawChart([], { title: `<b> & "c"`, subtitle: "it's" });
    assertWellFormed(svg);
    assert.match(svg, /&lt;b&gt; &amp; &quot;c&quot;/);
    assert.match(svg, /it&apos;s/);
  });
});
