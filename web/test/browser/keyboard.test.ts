// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { PRICED, startValues } from "./apps";
import { checkAccess, launch, picture, probeRow, rows, withPage } from "./browser";
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

const focusedPath = (page: Page) => page.locator(":focus").getAttribute("data-path");

async function pressUntil(page: Page, key: string, what: string, isThere: () => Promise<boolean>): Promise<void> {
  await waitFor(what, async () => {
    if (await isThere()) {
      return true;
    }
    await page.keyboard.press(key);
    return isThere();
  });
}

test("add, see, open, unfold and remove without a mouse", async () => {
  // Proves: the whole job by keyboard alone, with the focus always where the next key acts, and
  // a visible focus ring.
  await startValues(collector);
  await withPage(browser, collector.url, {}, async (page) => {
    await page.getByText("values/test").first().waitFor();
    await page.keyboard.press("n");
    await page.keyboard.type(PRICED);
    await page.keyboard.press("Enter");
    const row = probeRow(page, PRICED);
    await row.getByText(/\d (installed|emitting)/).waitFor();
    await waitFor("the focus on the probe", () => row.locator(".probe-head:focus").count());
    const ring = await row.locator(".probe-head").evaluate((head) => getComputedStyle(head).outlineStyle);
    assert.equal(ring, "solid");

    await rows(page).first().waitFor();
    await page.keyboard.press("p");
    await page.keyboard.press("3");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await waitFor("the focus in the tree", async () => (await focusedPath(page)) === "arguments");
    await page.keyboard.press("ArrowDown");
    assert.equal(await focusedPath(page), "arguments/order");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await waitFor("the first member", async () => (await focusedPath(page)) === "arguments/order/number");
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    assert.equal(await page.locator(":focus").getAttribute("aria-expanded"), "false");
    assert.equal(await focusedPath(page), "arguments/order");
    await page.keyboard.press("End");
    assert.match((await focusedPath(page)) ?? "", /^locals\//);

    await page.keyboard.press("Escape");
    await page.locator(".detail").waitFor({ state: "detached" });
    await waitFor("the focus on the list", () => page.locator("#snapshots:focus").count());
    await page.keyboard.press("1");
    await waitFor("the focus on the probe", () => row.locator(".probe-head:focus").count());
    await page.keyboard.press("Delete");
    await row.waitFor({ state: "detached" });
    await waitFor("the focus on the button for a new one", () => page.locator("#new-probe:focus").count());
  });
});

test("keys walk through the list, and an open snapshot follows", async () => {
  // Proves: j and k, arrows and page keys move one cursor, which is always on the screen and
  // announced; stepping does not fill the browser's history.
  await feed(collector, 120, { note: "walk" });
  await withPage(browser, collector.url, {}, async (page) => {
    await rows(page).first().waitFor();
    await page.keyboard.press("p");
    await page.keyboard.press("/");
    await page.keyboard.type("walk");
    await waitFor("120 rows", async () => /^120 of/.test(await page.locator("#snapshots-title .dim").innerText()));
    await pressUntil(page, "Tab", "the focus on the list", async () => (await page.locator("#snapshots:focus").count()) > 0);
    const position = async () => Number(await page.locator("#snapshots .cursor, #snapshots .opened").getAttribute("aria-posinset"));
    await page.keyboard.press("j");
    assert.equal(await position(), 1);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("j");
    assert.equal(await position(), 3);
    await page.keyboard.press("k");
    assert.equal(await position(), 2);
    await page.keyboard.press("End");
    await waitFor("the last row", async () => (await position()) === 120);
    const active = await page.locator("#snapshots").getAttribute("aria-activedescendant");
    assert.ok(active !== null && (await page.locator(`[id="${active}"]`).isVisible()));
    await page.keyboard.press("Home");
    await waitFor("the first row", async () => (await position()) === 1);

    const entries = await page.evaluate(() => history.length);
    await page.keyboard.press("Enter");
    await page.locator(".tree-row").first().waitFor();
    const first = page.url();
    for (let i = 0; i < 5; i++) {
      await page.keyboard.press("j");
    }
    await waitFor("another snapshot", () => page.url() !== first);
    assert.equal(await position(), 6);
    assert.equal(await page.evaluate(() => history.length), entries + 1);
    await waitFor("the sixth one's values", async () =>
      page.url().endsWith((await page.locator(".copyable").last().innerText()).trim()),
    );
  });
});

test("no letter is lost, however fast one types", async () => {
  // Proves: after a key the focus is where the next one goes before the browser could hand that
  // out: letters that came too early would act as keys of their own.
  await withPage(browser, collector.url, {}, async (page) => {
    await rows(page).first().waitFor(); // an empty list can not have the focus
    const focusAfter = (key: string) =>
      page.evaluate(async (pressed) => {
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: pressed, bubbles: true }));
        for (let i = 0; i < 5; i++) {
          await Promise.resolve(); // within the same task
        }
        return document.activeElement?.id;
      }, key);
    assert.equal(await focusAfter("n"), "f-location");
    assert.equal(await focusAfter("/"), "filter-text");
    assert.equal(await focusAfter("3"), "snapshots");
  });
});

test("the help names the keys, and closes", async () => {
  // Proves: `?` opens a dialog that holds the focus, Escape closes it, and keys do nothing else
  // meanwhile.
  await withPage(browser, collector.url, {}, async (page) => {
    await page.getByText("live", { exact: true }).waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("n");
    assert.equal(await page.locator(".probe-form").count(), 0);
    await checkAccess(page, "help");
    await picture(page, "help-light");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
  });
});
