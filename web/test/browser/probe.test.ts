// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { PRICED, RUBY_PRICED, startRubyValues, startValues } from "./apps";
import { checkAccess, launch, picture, rows, treeRow, withPage } from "./browser";
import { Collector } from "./processes";

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

const field = (name: string) => `#f-${name.replace(".", "\\.")}`;

test("with nothing there, the page teaches", async () => {
  // Proves: the empty states give the exact command for this collector and the forms of a
  // location, and the page has no fault of access then.
  await withPage(browser, collector.url, {}, async (page) => {
    const command = `sonde run --server ${collector.url} --service shop -- python app.py`;
    await page.getByText(command).waitFor();
    await page.getByText("No snapshots yet").waitFor();
    await page.getByText("shop.cart:Cart.total").waitFor();
    await page.getByText("app/models/cart.rb:17 a line, Ruby").waitFor();
    await page.getByText("Shop::Cart#total").waitFor();
    await checkAccess(page, "empty");
    await picture(page, "empty-light");
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

for (const colorScheme of ["light", "dark"] as const) {
  test(`values of Ruby's in ${colorScheme}`, async () => {
    // Proves: Ruby's kinds of values read as Ruby writes them, also as keys; a cut text counts the
    // bytes it is of; a symbol that hides something is quoted and spelled out.
    if (colorScheme === "light") {
      await startRubyValues(collector);
      await collector.call("POST", "/api/v1/probes", { location: RUBY_PRICED, service: "ruby-values", rate: 20 });
    }
    await withPage(browser, collector.url, { colorScheme, viewport: { width: 1440, height: 1100 } }, async (page) => {
      const found = rows(page).filter({ hasText: "values.rb" });
      await found.first().waitFor();
      await page.getByRole("button", { name: "Pause" }).click();
      await found.first().click();
      const text = async (path: string) => (await treeRow(page, path).textContent())?.replace(/\s+/g, " ").trim();
      for (const path of ["arguments/order", "arguments/customer", "arguments/customer/%40address"]) {
        await treeRow(page, path).click();
      }
      await treeRow(page, "arguments/customer/%40address/%40geo").click();
      const expected: Record<string, string | RegExp> = {
        "arguments/order/%40state": "@state Symbol :paid",
        "arguments/order/%40note": "@note NilClass nil",
        "arguments/order/%40is_gift": "@is_gift TrueClass true",
        "arguments/order/%40price": /^@price BigDecimal /,
        "arguments/order/%40paid": "@paid Money {cents: 13980, currency: :EUR}",
        "arguments/order/%40items": '@items Array(2) [{:sku: "tea", :quantity: 3}, {:sku: "kettle", :quantity: 1}]',
        "arguments/customer/%40password": "@password String redacted",
        "arguments/customer/%40address/%40geo/0": ":lat Float 51.5074",
        "arguments/customer/%40address/%40geo/2": "source Hash deeper than 3, 1 inside",
        "locals/letter": /\\n.*255 characters of \d+ bytes$/,
        "locals/greek": /255 characters of 800 bytes$/,
        "locals/symbols": 'symbols Array(6) [:paid, :paid?, :total=, :"[]", :"not a word", :"a\\u202eb"]',
        "locals/mixed": 'mixed Hash(5) {:state: :paid, state: "paid", 1: 1.5, nil: true, :"a b": false}',
        "locals/many": /^many Array\(150\) \[0, 1, 2.*100 of 150$/,
        "locals/span": "span Range 1..5",
        "locals/letters": 'letters Range {begin: "a", end: "e", exclude_end: false}',
        "locals/at": 'at Time 2023-11-14T22:13:20.25Z',
        "locals/kinds": "kinds Set(2) [:tea, :coffee]",
        "locals/big": "big Integer 1208925819614629174706176",
        "locals/third": "third Rational 1/3",
        "locals/failure": 'failure ArgumentError {message: "no such item"}',
      };
      for (const [path, wanted] of Object.entries(expected)) {
        const shown = (await text(path)) ?? "";
        assert.ok(typeof wanted === "string" ? shown === wanted : wanted.test(shown), `${path}: ${shown}`);
      }
      await treeRow(page, "locals/symbols").click();
      assert.equal(await text("locals/symbols/5"), "5 Symbol :a\\u202eb"); // the style sheet quotes it
      assert.equal(await treeRow(page, "locals/symbols/5").locator(".escape").count(), 1);
      assert.match((await treeRow(page, "locals/symbols/5").getAttribute("class")) ?? "", /quoted/);
      await checkAccess(page, `Ruby's values ${colorScheme}`);
      await picture(page, `ruby-values-${colorScheme}`);
    });
  });
}

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
