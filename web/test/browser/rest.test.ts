// SPDX-License-Identifier: Apache-2.0
//
// Tabs that nobody looks at. The page's clock is the test's: no test waits for half a minute.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page, Request } from "playwright-core";
import { awaitCount, launch, rows, shownCount, withPage } from "./browser";
import { Collector, feed, waitFor } from "./processes";

const REST_MS = 30_000;
const CONNECTIONS = 6; // that a browser gives one host

let browser: Browser;
let collector: Collector;

before(async () => {
  browser = await launch();
  collector = await Collector.start();
});
after(async () => {
  await browser?.close();
  await collector?.stop();
});

/** Hides or shows the page, as a browser tells it of its tab. */
function show(page: Page, isShown: boolean): Promise<void> {
  return page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
    Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isShown ? "visible" : "hidden");
}

const isTail = (request: Request) => request.url().endsWith("/api/v1/tail");

const link = (page: Page, state: string) => page.locator(".link").getByText(state, { exact: true });

test("a hidden tab closes its stream, and catches up when it is looked at", async () => {
  // Proves: after half a minute, not before, the stream is closed without an alarm, and stays so
  // although the collector comes and goes; what was stored meanwhile is there afterwards, once,
  // and new ones come live.
  await withPage(browser, collector.url, { allowed: /ERR_INCOMPLETE|ERR_EMPTY|ERR_CONNECTION/ }, async (page) => {
    let opened = 0;
    let closed = 0;
    page.on("request", (request) => (opened += isTail(request) ? 1 : 0));
    page.on("requestfailed", (request) => (closed += isTail(request) ? 1 : 0));
    await link(page, "live").waitFor();
    await page.clock.install();
    const before = await feed(collector, 5);
    await awaitCount(page, "5");

    await show(page, false);
    await page.clock.fastForward(REST_MS - 2000);
    await show(page, true); // a short look elsewhere changes nothing
    const between = await feed(collector, 5);
    await awaitCount(page, "10");
    await show(page, false);
    await page.clock.fastForward(REST_MS - 2000);
    const hidden = await feed(collector, 5);
    await awaitCount(page, "15");
    assert.deepEqual([opened, closed], [0, 0]);

    await page.clock.fastForward(3000);
    await link(page, "resting").waitFor();
    await waitFor("the stream to be closed", () => closed === 1);
    const missed = await feed(collector, 250); // more than one page of the catch-up
    await collector.kill();
    await collector.start();
    await page.clock.fastForward(60_000);
    assert.equal(await page.locator(".link.lost").count(), 0);
    assert.equal(await shownCount(page), "15");
    assert.equal(opened, 0);

    await show(page, true);
    await link(page, "live").waitFor();
    await awaitCount(page, "265");
    const after = await feed(collector, 1);
    await awaitCount(page, "266");
    assert.equal(opened, 1);
    const all = [...before, ...between, ...hidden, ...missed, ...after];
    assert.equal(all.length, 266);
    assert.equal(await rows(page).first().getAttribute("id"), `s-${after[0]}`);
  });
});

test("many tabs of one browser", async () => {
  // Proves: as many hidden tabs as there are connections leave the tab that is looked at its own:
  // it is live, and its lists are there, at once.
  const context = await browser.newContext();
  try {
    const tabs: Page[] = [];
    const streams = new Set<Request>();
    const noteEnd = (request: Request) => streams.delete(request);
    context.on("request", (request) => isTail(request) && streams.add(request));
    context.on("requestfailed", noteEnd);
    context.on("requestfinished", noteEnd);
    for (let i = 0; i < CONNECTIONS; i++) {
      const tab = await context.newPage();
      tabs.push(tab);
      await tab.clock.install();
      await tab.goto(collector.url);
      await link(tab, "live").waitFor();
      await show(tab, false);
      await tab.clock.fastForward(REST_MS + 1000);
    }
    await waitFor("the streams to be closed", () => streams.size === 0);
    const seen = await context.newPage();
    seen.setDefaultTimeout(5000); // a request that waits for a connection gives up after 15 s
    await seen.goto(collector.url);
    await link(seen, "live").waitFor();
    await rows(seen).first().waitFor();
    await seen.getByText("No process yet").waitFor();
    for (const tab of tabs) {
      assert.equal(await link(tab, "resting").count(), 1);
    }
  } finally {
    await context.close();
  }
});
