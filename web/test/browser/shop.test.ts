// SPDX-License-Identifier: Apache-2.0
//
// The main job on a real application, once per language.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { shops, type Shop } from "./apps";
import { checkAccess, launch, picture, probeRow, rows, treeRow, withPage } from "./browser";
import { Collector, waitFor } from "./processes";

let browser: Browser;

before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

async function addByForm(page: Page, location: string): Promise<void> {
  await page.getByRole("button", { name: "New probe" }).click();
  await page.fill("#f-location", location);
  await page.fill("#f-service", "shop");
  await page.fill("#f-rate", "50");
  await page.getByRole("button", { name: "Set probe" }).click();
}

async function whileOrdering(shop: Shop, use: () => Promise<void>): Promise<void> {
  const ordering = setInterval(() => void shop.order(), 100);
  try {
    await use();
  } finally {
    clearInterval(ordering);
  }
}

const text = async (page: Page, path: string) =>
  (await treeRow(page, path).textContent())?.replace(/\s+/g, " ").trim();

/** Adds a probe, looks at its values, removes it and takes that back. */
async function lookIntoOrders(page: Page, collector: Collector, shop: Shop, name: string): Promise<void> {
  await page.getByText("shop/test").first().waitFor();
  await addByForm(page, shop.line);
  const row = probeRow(page, shop.line);
  await row.getByText(/\d installed/).waitFor();
  const focused = (await page.locator(":focus").textContent()) ?? "";
  assert.ok(focused.includes(shop.line), "the focus is on the new probe");

  await whileOrdering(shop, async () => {
    await rows(page).first().waitFor();
    await row.getByText(/\d emitting/).waitFor();
    await row.getByText(/\d+ of \d+ hits/).waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
  });
  await rows(page).first().click();
  await treeRow(page, "locals/basket").click();
  const item = `locals/basket/${encodeURIComponent(shop.field("item"))}`;
  assert.equal(await text(page, item), `${shop.field("item")} ${shop.text} tea`);
  assert.equal(await text(page, "locals/card_number"), `card_number ${shop.text} redacted`);
  assert.ok((await page.locator(".stack .own").count()) > 0, "frames of the application");
  assert.ok((await page.locator(".stack .library").count()) > 0, "frames of libraries");
  await checkAccess(page, "snapshot");
  await picture(page, `snapshot-${name}-light`);

  await row.locator(".probe-head").click();
  await row.getByText("Rate").waitFor();
  await checkAccess(page, "probe unfolded");
  await row.getByRole("button", { name: "Remove" }).click();
  await row.waitFor({ state: "detached" });
  await waitFor("the processes to drop it", async () => {
    const { processes } = await collector.call<{ processes: { probes: number }[] }>("GET", "/api/v1/processes");
    return processes.every((process) => process.probes === 0);
  });
  await page.getByRole("button", { name: "Undo" }).click();
  await row.getByText(/\d (installed|emitting)/).waitFor();
}

/** Sets a probe where there is no code, and moves it to where there is some. */
async function takeNearestLine(page: Page, collector: Collector, shop: Shop, name: string): Promise<void> {
  // Not by the form, which refuses such a line once the symbols are there (found.test.ts).
  await collector.call("POST", "/api/v1/probes", { location: shop.blank, service: "shop", rate: 50 });
  const row = probeRow(page, shop.blank);
  await row.getByText("line_not_executable").waitFor();
  await checkAccess(page, "error");
  await picture(page, `error-${name}-light`);
  const id = (await row.getAttribute("data-probe")) ?? "";
  const nearest = row.getByRole("button", { name: /^Move the probe to line/ }).first();
  const line = await nearest.innerText();
  await nearest.click();
  const moved = page.locator(`[data-probe="${id}"]`);
  await moved.getByText(shop.blank.replace(/\d+$/, line)).waitFor();
  await moved.getByText(/\d (installed|emitting)/).waitFor();
  assert.equal(await moved.locator(".problem").count(), 0);
  const probe = await collector.call<{ revision: number; rate: number }>("GET", `/api/v1/probes/${id}`);
  assert.deepEqual([probe.revision, probe.rate], [2, 50]);
}

async function seeResults(page: Page, shop: Shop): Promise<void> {
  await addByForm(page, shop.method);
  await probeRow(page, shop.method).getByText(/\d installed/).waitFor();
  const found = rows(page).filter({ hasText: "Basket.subtotal" });
  await whileOrdering(shop, () => found.first().waitFor());
  await found.first().click();
  await treeRow(page, "returned").waitFor();
  assert.match((await text(page, "returned")) ?? "", /int 1050/);
  assert.match((await page.locator(".detail .facts").textContent()) ?? "", /(took|returned in) \d/);
}

for (const [name, start] of shops()) {
  test(`a probe from the form to live values, and away again: ${name}`, async (t) => {
    // Proves: the main job by mouse on a real application: a probe is added, its status is shown at
    // once, values arrive live and are unfolded, what is secret is redacted, and a removal reaches
    // the processes and can be taken back.
    const collector = await Collector.start();
    try {
      const shop = await start(collector);
      await withPage(browser, collector.url, {}, (page) => lookIntoOrders(page, collector, shop, name));
      await t.test("a line without code names its cause, and a nearest line is one click", () =>
        // Proves: a status with a cause is shown without unfolding anything, and picking a nearest
        // line makes the next revision of the same probe, which is installed there.
        withPage(browser, collector.url, {}, (page) => takeNearestLine(page, collector, shop, name)),
      );
      if (shop.method !== "") {
        await t.test("what a function returned, and how long it took", () =>
          // Proves: a probe on a function, by its name, brings its result and its duration.
          withPage(browser, collector.url, {}, (page) => seeResults(page, shop)),
        );
      }
    } finally {
      await collector.stop();
    }
  });
}
