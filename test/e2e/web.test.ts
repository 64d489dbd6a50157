// The live page, as somebody with a browser has it. With WEB_SCREENSHOTS=docs it also takes the pictures for docs/web.md.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { Flanneld } from "../../lab/flanneld.ts";
import { startWebPage, type WebPage } from "../../lab/web-page.ts";
import { becomes, openBrowser, openPage, type WatchedPage } from "../support/browser.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";

const { signal } = new AbortController();
const CONFIG = { Network: "10.5.0.0/16", Backend: { Type: "vxlan" } };
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const ROOT = join(import.meta.dirname, "../../..");
const pictures = process.env["WEB_SCREENSHOTS"];

/** Of what fits on the screen. */
async function takePicture(page: Page, name: string): Promise<void> {
  if (pictures) await page.screenshot({ path: join(ROOT, pictures, name), caret: "initial" });
}

function rowOf(page: Page, publicIp: string) {
  return page.locator("#hosts tbody tr").filter({ has: page.locator("td.host", { hasText: publicIp }) });
}

describe("the live page of three hosts", () => {
  let cluster: Cluster;
  let daemons: readonly Flanneld[];
  let web: WebPage;
  let browser: Browser;
  let watched: WatchedPage;
  let page: Page;

  before(async () => {
    cluster = await openCluster(3, CONFIG, signal);
    daemons = await cluster.startAll({ flags: ["--healthz-port=8081", "--probe-interval=1", "--peer-traffic"] });
    const options = { etcdEndpoints: [cluster.endpoint], healthPort: 8081, wanted: 0 };
    web = cluster.topology.own(await startWebPage(cluster.topology.etcd, options, signal));
    browser = await openBrowser();
    watched = await openPage(browser, web.url);
    page = watched.page;
  });
  after(async () => {
    await browser?.close();
    await cluster?.[Symbol.asyncDispose]();
  });

  const address = (host: number) => cluster.hosts[host]?.address ?? "";
  const subnetOf = async (host: number) => (await rowOf(page, address(host)).locator("th").innerText()).trim();

  it("shows them, their leases and that each has the others", async () => {
    for (const { address } of cluster.hosts) await rowOf(page, address).waitFor();
    await becomes(
      page,
      "three ready hosts",
      `document.querySelectorAll('#hosts tr[data-condition=ready]').length === 3`,
    );
    await becomes(
      page,
      "six good pairs",
      `document.querySelectorAll('#matrix td[data-state=programmed]').length === 6`,
    );
    assert.match(await page.locator("#network").innerText(), /10\.5\.0\.0\/16, subnets of \/24, vxlan/);
    assert.match(await rowOf(page, address(0)).innerText(), /ends in 23 h \d+ min/);
    await page
      .locator("#matrix td", { hasText: /✓ [\d.]+ ms/ })
      .first()
      .waitFor();
    await page.locator("#matrix td[title*='received'][title*='sent']").nth(5).waitFor({ state: "attached" });
    assert.equal(await page.locator(".map [role=option]").count(), 255);
    assert.equal(await page.locator(".map [data-kind=leased]").count(), 3);
    assert.equal(await page.locator("#live").innerText(), "live");
  });

  it("shows what is reserved, what ends soon and what is no lease, by more than colour", async () => {
    const record = (publicIp: string) =>
      JSON.stringify({
        PublicIP: publicIp,
        PublicIPv6: null,
        BackendType: "vxlan",
        BackendData: { VNI: 1, VtepMAC: `02:00:00:00:00:${publicIp.slice(-2)}` },
      });
    const taken = await cluster.etcdctl("get", "--prefix", "--keys-only", `${PREFIX}/subnets/`);
    const free = [100, 101, 102, 103, 104, 105]
      .map((third) => `10.5.${third}.0-24`)
      .filter((key) => !taken.includes(key));
    const [reserved, expiring, bad = assert.fail()] = free.map((key) => `${PREFIX}/subnets/${key}`);
    await cluster.etcdctl("put", `${reserved}`, record("192.168.77.100"));
    const lease = /lease (\w+) granted/.exec(await cluster.etcdctl("lease", "grant", "900"))?.[1] ?? "";
    await cluster.etcdctl("put", `--lease=${lease}`, `${expiring}`, record("192.168.77.101"));
    await cluster.etcdctl("put", bad, "garbage");
    for (const [kind, sign] of [
      ["reserved", "R"],
      ["expiring", "!"],
      ["bad", "×"],
    ]) {
      const cell = page.locator(`.map [data-kind=${kind}]`);
      await cell.waitFor();
      assert.equal(await cell.innerText(), sign);
    }
    await rowOf(page, "192.168.77.101").filter({ hasText: "unknown" }).waitFor();
    await page.locator("#bad", { hasText: `${free[2]}` }).waitFor();
  });

  it("shows traffic as it flows", async () => {
    const target = (await subnetOf(1)).replace(/\/.*/, "");
    const pinging = cluster.tryOn(0, "ping", "-q", "-i", "0.05", "-c", "500", "-s", "1000", target);
    await becomes(
      page,
      "traffic",
      `[...document.querySelectorAll('#hosts td.traffic span')].some((one) => /[1-9]\\d* k?B\\/s/.test(one.textContent))`,
    );
    await becomes(
      page,
      "a chart",
      `document.querySelector('.spark .in')?.getAttribute('points')?.split(' ').length >= 5`,
    );
    const screen = page.viewportSize();
    await page.setViewportSize({ width: 1200, height: 1720 });
    await takePicture(page, "web.png");
    if (screen) await page.setViewportSize(screen);
    await pinging;
  });

  it("fits on a phone without scrolling sideways", async () => {
    await using phone = await openPage(browser, web.url, PHONE);
    await rowOf(phone.page, address(0)).waitFor();
    await becomes(phone.page, "a map", `document.querySelectorAll('.map [data-kind=leased]').length === 3`);
    const width = await phone.page.evaluate<number>("document.documentElement.scrollWidth");
    assert.ok(width <= 360, `${width} px`);
    await takePicture(phone.page, "web-phone.png");
    await phone.page.locator("#addresses").scrollIntoViewIfNeeded();
    const size = await phone.page.locator(".map [data-kind=leased]").first().boundingBox();
    assert.ok(size && size.width >= 24 && size.height >= 24, "a finger can hit a cell");
    assert.deepEqual(phone.complaints, []);
  });

  it("can be used with the keys alone", async () => {
    await page.evaluate("document.activeElement?.blur()");
    const reached: string[] = [];
    for (let press = 0; press < 14; press++) {
      await page.keyboard.press("Tab");
      reached.push(
        await page.evaluate<string>("document.activeElement.id || document.activeElement.getAttribute('href')"),
      );
    }
    for (const wanted of ["#content", "#addresses", "host-filter", "map-ipv4", "matrix", "level", "event-list"]) {
      assert.ok(reached.includes(wanted), `${wanted} in ${reached.join(" ")}`);
    }
    await page.locator("#map-ipv4").focus();
    await page.keyboard.press("Home");
    const current = () =>
      page.evaluate<string>("document.getElementById('map-ipv4').getAttribute('aria-activedescendant')");
    assert.equal(await current(), "cell-ipv4-0");
    await page.keyboard.press("ArrowRight");
    assert.equal(await current(), "cell-ipv4-1");
    await page.keyboard.press("ArrowDown");
    const below = await page.evaluate<boolean>(
      `(() => {
        const [a, b] = [1, Number(document.querySelector('.map [aria-selected=true]').dataset.index)]
          .map((index) => document.getElementById('cell-ipv4-' + index).getBoundingClientRect());
        return a.left === b.left && b.top > a.top;
      })()`,
    );
    assert.ok(below, "the cell below is the next one");
    await page.keyboard.press("End");
    assert.equal(await current(), "cell-ipv4-254");
    await page.keyboard.press("n");
    assert.match(await page.locator("#cell-ipv4").innerText(), /10\.5\.\d+\.0\/24 .*(by|for) 192\.168\.77\.\d+/);
  });

  it("finds a host by what is known of it, and filters events by level", async () => {
    await page.locator("#host-filter").fill(address(1));
    await becomes(page, "one host", `document.querySelectorAll('#hosts tbody tr').length === 1`);
    await page.locator("#host-filter").fill("");
    await page.locator("#level").selectOption("warn");
    await becomes(page, "no harmless event", `!document.querySelector('#event-list [data-level=info]')`);
    await page.locator("#level").selectOption("info");
    await becomes(page, "all events", `!!document.querySelector('#event-list [data-level=info]')`);
  });

  it("shows at once what happens, without being loaded again", async () => {
    await page.evaluate("window.sameDocument = true");
    await cluster.on(0, "ip", "route", "flush", "dev", "flannel.1");
    await page.locator("#event-list li", { hasText: "changed by somebody else and is repaired" }).first().waitFor();
    await rowOf(page, address(0)).filter({ hasText: "repair" }).waitFor();

    const subnet = await subnetOf(2);
    await daemons[2]?.stop(signal);
    const row = rowOf(page, address(2));
    await row.filter({ hasText: "nothing listens on port 8081" }).waitFor();
    await becomes(page, "an unknown row", `document.querySelectorAll('#matrix td[data-state=unknown]').length >= 2`);
    assert.match(await row.innerText(), /\? unknown/);

    await cluster.etcdctl("del", `${PREFIX}/subnets/${subnet.replace("/", "-")}`);
    await row.waitFor({ state: "detached" });
    await becomes(page, "two leases", `document.querySelectorAll('.map [data-kind=leased]').length === 2`);
    assert.equal(await page.evaluate("window.sameDocument"), true);
  });

  it("says that etcd is away, and goes on with what it knows and with the hosts", async () => {
    cluster.etcd.freeze();
    await page.locator("#banner", { hasText: "etcd did not answer" }).waitFor();
    await rowOf(page, address(0)).waitFor();
    cluster.etcd.thaw();
    await page.locator("#banner").waitFor({ state: "hidden" });
  });

  it("obeys the colours and the calm that its user asks for", async () => {
    const ground = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
    const scrolling = () => page.evaluate<string>("getComputedStyle(document.documentElement).scrollBehavior");
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "no-preference" });
    const light = await ground();
    assert.equal(await scrolling(), "smooth");
    await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
    assert.notEqual(await ground(), light);
    assert.equal(await scrolling(), "auto");
  });

  it("asked nobody but its own server, and the browser had nothing to complain of", () => {
    assert.deepEqual([...watched.origins], [new URL(web.url).origin]);
    assert.deepEqual(watched.complaints, []);
  });

  it("ends with Ctrl-C and status 0, and the page says so", async () => {
    assert.equal(await web.interrupt(signal), 0);
    await page.locator("#live", { hasText: "connection lost" }).waitFor();
    await rowOf(page, address(0)).waitFor();
  });
});
