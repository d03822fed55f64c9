// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { checkAccess, launch, picture, probeRow, rows, treeRow, withPage } from "./browser";
import { Collector, COMMENT, PRICED, startShop, startValues, waitFor, type Shop } from "./processes";

let browser: Browser;
let collector: Collector;
let shop: Shop;

before(async () => {
  browser = await launch();
  collector = await Collector.start();
});
after(async () => {
  await browser?.close();
  await collector?.stop();
});

const field = (name: string) => `#f-${name.replace(".", "\\.")}`;

test("with nothing there, the page teaches", async () => {
  // Proves: the empty states give the exact command for this collector and the forms of a
  // location, and the page has no fault of access then.
  await withPage(browser, collector.url, {}, async (page) => {
    const command = `sonde run --server ${collector.url} --service shop -- python app.py`;
    await page.getByText(command).waitFor();
    await page.getByText("No snapshots yet").waitFor();
    await page.getByText("shop.cart:Cart.total").waitFor();
    await checkAccess(page, "empty");
    await picture(page, "empty-light");
  });
});

test("a probe from the form to live values, and away again", async () => {
  // Proves: the main job by mouse on a real application: a probe is added, its status is shown at
  // once, values arrive live, and a removal reaches the processes and can be taken back.
  shop = await startShop(collector);
  await withPage(browser, collector.url, {}, async (page) => {
    await page.getByText("shop/test").first().waitFor();
    await page.getByRole("button", { name: "New probe" }).click();
    await page.fill(field("location"), shop.method);
    await page.fill(field("service"), "shop");
    await page.fill(field("rate"), "50");
    await checkAccess(page, "form");
    await page.getByRole("button", { name: "Set probe" }).click();
    const row = probeRow(page, shop.method);
    await row.getByText(/\d installed/).waitFor();
    assert.match((await page.locator(":focus").textContent()) ?? "", /subtotal/, "the focus is on the new probe");

    const ordering = setInterval(() => void shop.order(), 100);
    try {
      await rows(page).filter({ hasText: shop.methodShown }).first().waitFor();
      await row.getByText(/\d emitting/).waitFor();
      await row.getByText(/\d+ of \d+ hits/).waitFor();
      await rows(page).first().click();
      await treeRow(page, "returned").waitFor();
      assert.match((await treeRow(page, "returned").textContent()) ?? "", /int\s*1050/);
      assert.match((await page.locator(".detail .facts").textContent()) ?? "", /took \d/);
      assert.ok((await page.locator(".stack .own").count()) > 0, "frames of the application");
      assert.ok((await page.locator(".stack .library").count()) > 0, "frames of libraries");
      await checkAccess(page, "snapshot");
      await picture(page, "snapshot-light");
    } finally {
      clearInterval(ordering);
    }

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
    await probeRow(page, shop.method).getByText(/\d (installed|emitting)/).waitFor();
  });
});

test("nested, redacted, cut and hostile values", async () => {
  // Proves: a value is unfolded member by member; what is redacted, cut or too deep says so in
  // words; text of the application is never markup, and what it hides is spelled out.
  await startValues(collector);
  await collector.call("POST", "/api/v1/probes", { location: PRICED, service: "values", rate: 20 });
  await withPage(browser, collector.url, {}, async (page) => {
    const found = rows(page).filter({ hasText: "values.py" });
    await found.first().waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await found.first().click();

    await treeRow(page, "arguments/customer").click();
    await treeRow(page, "arguments/customer/address").click();
    await treeRow(page, "arguments/customer/address/geo").click();
    const text = async (path: string) => (await treeRow(page, path).textContent())?.replace(/\s+/g, " ").trim();
    assert.equal(await text("arguments/customer/password"), "password str redacted");
    assert.equal(await text("arguments/customer/referrer"), "referrer NoneType None");
    assert.equal(await text("arguments/customer/address/geo/2"), "source dict deeper than 3, 1 inside");
    assert.match((await text("locals/many")) ?? "", /^many list\(150\) \[0, 1, 2.*100 of 150$/);
    assert.match((await text("locals/letter")) ?? "", /\\n.*255 of \d+ characters$/);
    const hostile = (await text("locals/hostile")) ?? "";
    assert.ok(hostile.includes("<img src=x onerror=alert(1)>"), hostile);
    assert.ok(hostile.includes("\\u202egnp.exe \\x1b[31mred\\x1b[0m \\u200bzero\\x00"), hostile);
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(await treeRow(page, "locals/hostile").locator(".escape").count(), 5);

    await treeRow(page, "locals/many").click();
    await treeRow(page, "locals/many/99").waitFor();
    await checkAccess(page, "values");
    await treeRow(page, "locals/many").click();
    await treeRow(page, "locals/letter").click();
    await picture(page, "values-light");

    // What is open stays open in the next snapshot of the probe.
    await page.keyboard.press("j");
    await treeRow(page, "arguments/customer/address/geo/2").waitFor();
  });
});

test("a line without code names its cause, and a nearest line is one click", async () => {
  // Proves: a status with a cause is shown without unfolding anything, and picking a nearest line
  // makes the next revision of the same probe, which is installed there.
  await withPage(browser, collector.url, {}, async (page) => {
    await page.getByRole("button", { name: "New probe" }).click();
    await page.fill(field("location"), COMMENT);
    await page.fill(field("service"), "values");
    await page.keyboard.press("Enter");
    const row = probeRow(page, COMMENT);
    await row.getByText("line_not_executable").waitFor();
    await checkAccess(page, "error");
    await picture(page, "error-light");
    const id = (await row.getAttribute("data-probe")) ?? "";
    const next = Number(COMMENT.split(":")[1]) + 1;
    await row.getByRole("button", { name: `Move the probe to line ${next}` }).click();
    const moved = page.locator(`[data-probe="${id}"]`);
    await moved.getByText(`values.py:${next}`).waitFor();
    await moved.getByText(/\d (installed|emitting)/).waitFor();
    assert.equal(await moved.locator(".problem").count(), 0);
    const probe = await collector.call<{ revision: number; service: string }>("GET", `/api/v1/probes/${id}`);
    assert.deepEqual([probe.revision, probe.service], [2, "values"]);
  });
});

test("a probe is changed, and set from a frame of the stack", async () => {
  // Proves: a change is the next revision with all that was not changed; a frame's own button
  // fills the form with its place.
  const { id } = await collector.call<{ id: string }>("POST", "/api/v1/probes", {
    location: PRICED,
    service: "values",
    rate: 7,
    tags: { ticket: "42" },
  });
  await withPage(browser, collector.url, { hash: `#/probe/${id}` }, async (page) => {
    const row = page.locator(`[data-probe="${id}"]`);
    await row.getByRole("button", { name: "Change" }).click();
    assert.equal(await page.inputValue(field("rate")), "7");
    await page.getByText("Limits", { exact: true }).click();
    await page.fill(field("limits.depth"), "5");
    await page.getByRole("button", { name: "Set revision" }).click();
    await row.getByText("revision 2").waitFor();
    const probe = await collector.call<Record<string, unknown>>("GET", `/api/v1/probes/${id}`);
    assert.deepEqual([probe.rate, probe.tags], [7, { ticket: "42" }]);
    assert.equal((probe.limits as { depth: number }).depth, 5);

    await rows(page).first().click();
    await page.locator(".stack .own").first().getByRole("button").click();
    assert.match(await page.inputValue(field("location")), /\/values\.py:\d+$/);
    await page.keyboard.press("Escape");
    await page.locator(".probe-form").waitFor({ state: "detached" });
  });
});
