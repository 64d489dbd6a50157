import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ASSETS } from "../../src/web/assets.ts";
import { parseListenAddress } from "../../src/web/listen-address.ts";
import { buildOverlay } from "../../src/web/model.ts";
import { reachRow } from "../../src/web/reach.ts";
import { openWeb } from "../../src/web/server.ts";
import { createStreams } from "../../src/web/streams.ts";
import { becomes, openBrowser, openPage } from "../support/browser.ts";
import { answerOf, factsOf, lookedLease, lookOf, statusOf } from "../support/overlay-facts.ts";
import { peerStatusOf } from "../support/snapshots.ts";

describe("the live page of a thousand hosts", () => {
  const hosts = Array.from(
    { length: 1000 },
    (_, n) => [`10.${n >> 8}.${n & 255}.0/24`, `172.16.${n >> 8}.${n & 255}`] as const,
  );
  const facts = (troubled: string) => {
    const missing = hosts
      .slice(1, 4)
      .map(([subnet, ip]) => peerStatusOf(subnet, ip, { state: "missing", reason: "x" }));
    return factsOf({
      look: lookOf({ leases: hosts.map(([subnet, ip]) => lookedLease(subnet, ip)) }, { Network: "10.0.0.0/8" }),
      answers: new Map(
        hosts.map(([subnet, ip]) => {
          const changes = ip === troubled ? ({ state: "degraded", peers: missing } as const) : { peers: [] };
          return [ip, answerOf(subnet, { status: statusOf(subnet, changes) })];
        }),
      ),
    });
  };

  it("draws no more than can be seen, the worst first, and takes no second for a change", async () => {
    const address = parseListenAddress("127.0.0.1:0");
    assert.ok(address);
    const streams = createStreams();
    const overlay = buildOverlay(facts("172.16.3.1"));
    const row = async (subnet: string) => ({ ...reachRow(subnet, { peers: [] }, overlay.hosts), hosts: overlay.hosts });
    const desk = { assets: ASSETS, overlay: async () => overlay, row, onOpen: () => {} };
    await using server = await openWeb(address, desk, streams);
    const browser = await openBrowser();
    try {
      const watched = await openPage(browser, `http://127.0.0.1:${server.port}/`);
      const { page } = watched;
      streams.send(JSON.stringify(overlay));
      await becomes(page, "a hundred rows", `document.querySelectorAll('#hosts tbody tr').length === 100`);
      assert.match(await page.locator("#hosts tbody tr").first().innerText(), /degraded[\s\S]*172\.16\.3\.1/);
      assert.match(await page.locator("#hosts-note").innerText(), /100 of 1000 hosts/);
      assert.equal(await page.locator(".map [role=option]").count(), 1024);
      assert.equal(await page.locator("#troubles li").count(), 3);
      await page.locator("#reach-host").selectOption("10.0.7.0/24");
      await page.locator("#matrix", { hasText: "999 absent" }).waitFor();
      const before = await page.evaluate<number>("performance.now()");
      streams.send(JSON.stringify(buildOverlay(facts("172.16.2.2"))));
      await page.locator("#hosts tbody tr").first().filter({ hasText: "172.16.2.2" }).waitFor();
      const took = (await page.evaluate<number>("performance.now()")) - before;
      assert.ok(took < 10_000, `${took} ms`);
      assert.deepEqual(watched.complaints, []);
    } finally {
      await browser.close();
    }
  });
});
