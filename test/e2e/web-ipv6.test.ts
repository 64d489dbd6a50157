// The maps of addresses on the live page, of networks with IPv6, in a real browser. With WEB_SCREENSHOTS=docs it also
// takes the picture for docs/web.md. What they show is made up: the model is made of leases as etcd would have them.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { Json } from "../../src/base/json.ts";
import { ASSETS } from "../../src/web/assets.ts";
import type { LookedLease } from "../../src/web/facts.ts";
import { parseListenAddress } from "../../src/web/listen-address.ts";
import { buildOverlay } from "../../src/web/model.ts";
import type { Overlay } from "../../src/web/overlay.ts";
import { openWeb } from "../../src/web/server.ts";
import { createStreams } from "../../src/web/streams.ts";
import { becomes, openBrowser, openPage, type WatchedPage } from "../support/browser.ts";
import { type DualSketch, dualLease, hostNumber, ipv6Only } from "../support/dual-stack.ts";
import { factsOf, lookOf } from "../support/overlay-facts.ts";

const DUAL = { Network: "10.5.0.0/16", EnableIPv6: true, IPv6Network: "fd00:5::/48" };
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const ROOT = join(import.meta.dirname, "../../..");
const pictures = process.env["WEB_SCREENSHOTS"];

function looked(sketch: DualSketch): LookedLease {
  return { lease: dualLease(sketch), term: { kind: "leased" }, problem: null };
}

function overlayOf(config: Json, hosts: readonly DualSketch[]): Overlay {
  return buildOverlay(factsOf({ look: lookOf({ leases: hosts.map(looked) }, config), answers: new Map() }));
}

const hosts = (count: number) => Array.from({ length: count }, (_, n) => hostNumber(n + 1));

describe("the maps of addresses", () => {
  let browser: Browser;

  before(async () => {
    browser = await openBrowser();
  });
  after(async () => browser?.close());

  /** With a page that shows this, and a way to have it show something else. */
  async function withPage(
    overlay: Overlay,
    options: Parameters<typeof openPage>[2],
    work: (page: Page, show: (next: Overlay) => void, watched: WatchedPage) => Promise<void>,
  ): Promise<void> {
    const address = parseListenAddress("127.0.0.1:0");
    assert.ok(address);
    const streams = createStreams();
    const show = (next: Overlay) => streams.send(JSON.stringify(next));
    show(overlay);
    const desk = { assets: ASSETS, overlay: async () => overlay, row: async () => null, onOpen: () => {} };
    await using server = await openWeb(address, desk, streams);
    await using watched = await openPage(browser, `http://127.0.0.1:${server.port}/`, options);
    await watched.page.locator(".map [data-kind=leased]").first().waitFor();
    await work(watched.page, show, watched);
    assert.deepEqual(watched.complaints, []);
  }

  const textOf = (page: Page, place: string) => page.locator(place).innerText();
  const currentOf = (page: Page, map: string) => page.locator(map).getAttribute("aria-activedescendant");

  it("are two in a dual-stack network, each with its own keys", async () => {
    await withPage(overlayOf(DUAL, hosts(40)), {}, async (page, show) => {
      assert.deepEqual(
        await Promise.all(["#map-ipv4", "#map-ipv6"].map((map) => page.locator(`${map} [role=option]`).count())),
        [255, 1024],
      );
      assert.match(await textOf(page, "#maps"), /IPv4\s+10\.5\.0\.0\/16: 255 subnets of \/24\./);
      assert.match(
        await textOf(page, "#maps"),
        /IPv6\s+fd00:5::\/48: 65,535 subnets of \/64; each of the 1,024 cells stands for 64 of them, and says how many/,
      );
      assert.equal(await page.locator("#map-ipv6 [data-kind=leased]").first().innerText(), "40");

      await page.locator("#map-ipv6").focus();
      await page.keyboard.press("End");
      assert.equal(await currentOf(page, "#map-ipv6"), "cell-ipv6-1023");
      assert.match(await textOf(page, "#cell-ipv6"), /^fd00:5:0:ffc1::\/64 to fd00:5:0:ffff::\/64: free$/);
      await page.keyboard.press("n");
      assert.match(
        await textOf(page, "#cell-ipv6"),
        /10\.5\.1\.0\/24 and fd00:5:0:1::\/64 leased by [\s\S]*\nand 32 more$/,
      );
      assert.equal(await currentOf(page, "#map-ipv4"), "cell-ipv4-0", "the other map stays where it is");
      const path = join(ROOT, pictures ?? "", "web-dual-stack.png");
      if (pictures) await page.locator("#addresses").screenshot({ path });

      await page.evaluate("document.getElementById('cell-ipv6-0').dataset.mark = 'same'");
      show(overlayOf(DUAL, hosts(60)));
      await becomes(page, "60 leases", `document.querySelectorAll('#map-ipv4 [data-kind=leased]').length === 60`);
      assert.equal(await page.locator("#cell-ipv6-0").getAttribute("data-mark"), "same", "what is drawn is kept");
    });
  });

  it("are one without IPv4, also of a network that is far too large to draw", async () => {
    const config = { EnableIPv4: false, EnableIPv6: true, IPv6Network: "fd00::/16" };
    const many = Array.from({ length: 150 }, (_, n) => ipv6Only(hostNumber(1, { v6: `fd00:0:0:${n + 1}::/64` })));
    await withPage(overlayOf(config, many), {}, async (page) => {
      assert.equal(await page.locator(".map").count(), 1);
      assert.equal(await page.locator("#map-ipv6 [role=option]").count(), 1024);
      assert.match(await textOf(page, "#maps"), /4,294,967,296 subnets of \/64; .* stands for 4,194,304 of them/);
      const first = page.locator("#cell-ipv6-0");
      assert.equal(await first.innerText(), "+");
      assert.match((await first.getAttribute("aria-label")) ?? "", /: 150 of 4,194,304 taken, leased$/);
    });
  });

  it("come and go with the families of the network", async () => {
    await withPage(overlayOf(DUAL, hosts(3)), {}, async (page, show) => {
      show(overlayOf({ Network: "10.5.0.0/16" }, hosts(3)));
      await page.locator("#map-ipv6").waitFor({ state: "detached" });
      show(overlayOf(DUAL, hosts(3)));
      await page.locator("#map-ipv6 [data-kind=leased]").waitFor();
      await page.locator("#map-ipv6").focus();
      await page.keyboard.press("End");
      assert.equal(await currentOf(page, "#map-ipv6"), "cell-ipv6-1023");
    });
  });

  it("leave the tile above them its size, however many subnets are free", async () => {
    const overlay = overlayOf(DUAL, hosts(3));
    const wide = { ...overlay, counts: { ...overlay.counts, free: 2 ** 32 - 3, total: 2 ** 32 } };
    await withPage(wide, PHONE, async (page) => {
      const tile = page.locator("#tiles > div", { hasText: "subnets free" });
      assert.match(await tile.innerText(), /^> 1 million\s+subnets free$/);
      const isFitting =
        "[...document.querySelectorAll('#tiles > div')].every((one) => one.scrollWidth <= one.clientWidth)";
      assert.ok(await page.evaluate<boolean>(isFitting));
    });
  });

  it("fit on a phone, where a finger can hit a cell", async () => {
    await withPage(overlayOf(DUAL, hosts(90)), PHONE, async (page) => {
      const width = await page.evaluate<number>("document.documentElement.scrollWidth");
      assert.ok(width <= 360, `${width} px`);
      const cell = page.locator("#cell-ipv6-1");
      await cell.scrollIntoViewIfNeeded();
      const box = await cell.boundingBox();
      assert.ok(box && box.width >= 24 && box.height >= 24);
      await cell.tap();
      assert.match(await textOf(page, "#cell-ipv6"), /^fd00:5:0:41::\/64 to fd00:5:0:80::\/64:\n10\.5\.41\.0\/24 and/);
    });
  });
});
