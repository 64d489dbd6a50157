// A real Chromium, and a page in it of which everything is remembered that should not happen.

import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";

const PROGRAMS = ["/usr/bin/chromium", "/snap/bin/chromium"];

/** Chromium's own sandbox does not work for root. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = PROGRAMS.find((path) => existsSync(path));
  if (!executablePath) throw new Error("there is no chromium: npm run setup installs it");
  return await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"], timeout: 120_000 });
}

export interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  /** Where requests went: each origin once. */
  readonly origins: ReadonlySet<string>;
  /** What the browser complained of: errors in scripts, what the policy forbids. */
  readonly complaints: readonly string[];
}

const DESKTOP = { width: 1280, height: 900 };

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: DESKTOP, locale: "en-GB", timezoneId: "UTC", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const origins = new Set<string>();
  const complaints: string[] = [];
  page.on("request", (request) => origins.add(new URL(request.url()).origin));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  await page.goto(url);
  return { page, origins, complaints, [Symbol.asyncDispose]: () => context.close() };
}

/** Resolves once this is so of the page. Throws with what a person sees on it. */
export async function becomes(page: Page, what: string, expression: string): Promise<void> {
  const look = async () => ((await page.evaluate<boolean>(expression)) ? true : null);
  await waitFor(what, look, seconds(60), new AbortController().signal).catch(async (error: unknown) => {
    throw new Error(`${error}; the page says: ${await page.locator("body").innerText()}`);
  });
}
