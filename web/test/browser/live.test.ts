// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { awaitCount, checkAccess, launch, picture, rows, shownCount, treeRow, withPage } from "./browser";
import { Collector, feed, waitFor } from "./processes";

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

// The browser itself writes down each request that a lost collector did not answer.
const LOST = { allowed: /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|ERR_FAILED|net::/ };

/** Every id in the list, gathered while it is scrolled through from top to bottom. */
function allIds(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const list = document.querySelector("#snapshots") as HTMLElement;
    const ids: string[] = [];
    for (let top = 0; top < list.scrollHeight; top += list.clientHeight / 2) {
      list.scrollTop = top;
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      list.querySelectorAll(".row").forEach((row) => ids.push(`${row.getAttribute("aria-posinset")} ${row.id.slice(2)}`));
    }
    list.scrollTop = 0;
    return [...new Set(ids)];
  });
}

test("the page survives the collector, and misses nothing", async () => {
  // Proves: after kill -9 the page says so and goes on showing what it has; after a start on the
  // same port and data it is live again by itself, what was stored while its stream was down is
  // caught up, nothing is there twice, and new ones come live.
  const before = await feed(collector, 30);
  await withPage(browser, collector.url, LOST, async (page) => {
    await awaitCount(page, "30");
    const live = await feed(collector, 5);
    await awaitCount(page, "35");

    await page.route("**/api/v1/tail", (route) => route.abort());
    await collector.kill();
    await page.getByText(/No answer from the collector since \d\d:\d\d:\d\d/).waitFor();
    await page.getByText("fetched afterwards").waitFor();
    assert.equal(await shownCount(page), "35");
    await checkAccess(page, "lost");
    await picture(page, "lost-light");

    await collector.start();
    const missed = await feed(collector, 450); // more than one page of the catch-up
    await page.unroute("**/api/v1/tail");
    await page.getByText("The collector is back, and the list is complete again.").waitFor();
    await awaitCount(page, "485");
    const after = await feed(collector, 5);
    await awaitCount(page, "490");

    const seen = (await allIds(page)).map((entry) => entry.split(" ")[1] ?? "");
    assert.equal(seen.length, 490);
    assert.deepEqual([...seen].sort(), [...before, ...live, ...missed, ...after].sort());
    assert.deepEqual(seen, [...seen].sort().reverse(), "newest first");
  });
});

test("the wait for a lost collector grows, and can be cut short", async () => {
  // Proves: back-off (each try later than the one before, by and large), and "Try now".
  await withPage(browser, collector.url, LOST, async (page) => {
    await page.getByText("live", { exact: true }).waitFor();
    await page.clock.install();
    const now = () => page.evaluate(() => Date.now());
    let tries = 0;
    await page.route("**/api/v1/tail", (route) => {
      tries++;
      return route.abort();
    });
    await collector.kill();
    const at: number[] = [];
    while (at.length < 5) {
      await waitFor(`try ${at.length + 1}`, async () => {
        await page.clock.fastForward(100);
        return tries > at.length;
      });
      at.push(await now());
    }
    const waits = at.slice(1).map((one, i) => one - (at[i] ?? 0));
    assert.ok((waits[3] ?? 0) > (waits[0] ?? 0) && (waits[3] ?? 0) > 1900, `waits ${waits}`);
    await collector.start();
    await page.unroute("**/api/v1/tail");
    const asked = Date.now();
    await page.getByRole("button", { name: "Try now" }).click();
    await page.getByText("live", { exact: true }).waitFor();
    assert.ok(Date.now() - asked < 3000);
  });
});

test("a paused list stands still and counts what waits", async () => {
  // Proves: pause and resume, with the number that waits, and that all of it is shown afterwards.
  await withPage(browser, collector.url, {}, async (page) => {
    await rows(page).first().waitFor();
    const shown = await shownCount(page);
    const top = await rows(page).first().getAttribute("id");
    await page.getByRole("button", { name: "Pause" }).click();
    await feed(collector, 12);
    await page.getByText("12 waiting").waitFor();
    assert.equal(await rows(page).first().getAttribute("id"), top);
    assert.equal(await shownCount(page), shown);
    await checkAccess(page, "paused");
    await picture(page, "paused-light");
    await page.getByRole("button", { name: "Go on" }).click();
    await awaitCount(page, String(Number(shown) + 12));
    assert.notEqual(await rows(page).first().getAttribute("id"), top);
  });
});

test("filters by service, probe and text", async () => {
  // Proves: each filter shows what it names and no more, together they narrow, and when nothing
  // matches the page says so and offers to show all.
  await collector.call("POST", "/api/v1/probes", { id: "p-filter", location: "cart.py:43" });
  await feed(collector, 3, { service: "alpha", probe: "p-filter", note: "needle" });
  await feed(collector, 2, { service: "beta", probe: "p-filter", function: "Cart.other" });
  await withPage(browser, collector.url, {}, async (page) => {
    await rows(page).first().waitFor();
    const starts = (wanted: string) =>
      waitFor(wanted, async () => ((await shownCount(page)).startsWith(wanted) ? true : null));
    await page.getByLabel("Service").selectOption("alpha");
    await starts("3 of");
    await page.getByLabel("Service").selectOption("");
    await page.getByLabel("Probe", { exact: true }).selectOption("p-filter");
    await starts("5 of");
    await page.getByLabel("Text").fill("CART.OTHER");
    await starts("2 of");
    await page.getByLabel("Text").fill("needle");
    await starts("3 of");
    await page.getByLabel("Service").selectOption("beta");
    await page.getByText("No snapshot matches").waitFor();
    await checkAccess(page, "no match");
    await page.getByRole("button", { name: "Show all" }).click();
    await waitFor("all", async () => !(await shownCount(page)).includes("of"));
  });
});

test("an address leads to its snapshot, also one that is not in the list", async () => {
  // Proves: deep links to a snapshot and to a probe, one that does not exist, and the way back.
  const [id = ""] = await feed(collector, 1, { note: "linked" });
  await feed(collector, 300);
  const hash = `#/snapshot/${id}`;
  await withPage(browser, collector.url, { hash, allowed: /status of 404/ }, async (page) => {
    await treeRow(page, "locals/note").getByText("linked").waitFor();
    await page.goto(`${collector.url}/#/snapshot/none`);
    await page.getByText("It can not be shown: there is no such snapshot").waitFor();
    await page.goBack();
    await treeRow(page, "locals/note").getByText("linked").waitFor();
    await page.goto(`${collector.url}/#/probe/p-filter`);
    await page.locator("[data-probe='p-filter']").getByText("Rate").waitFor();
    await waitFor("the filter", async () => (await page.getByLabel("Probe", { exact: true }).inputValue()) === "p-filter");
  });
});
