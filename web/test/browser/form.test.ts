// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { checkAccess, launch, picture, probeRow, withPage } from "./browser";
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

const REFUSED = { allowed: /status of 400/ };
const input = (name: string) => `[data-field="${name}"] :is(input, select)`;

async function fill(page: Page, name: string, text: string): Promise<void> {
  if (name === "at") {
    await page.selectOption(input(name), text);
  } else {
    await page.fill(input(name), text);
  }
}

test("each refusal stands beside the field that is to blame", async () => {
  // Proves: the collector's own words, at the right field, which has the focus and is described
  // by them, for every field that it can blame; also one that is folded away.
  const cases: [string, string, RegExp][] = [
    ["location", "", /is empty/],
    ["location", "cart.py", /a file needs a line/],
    ["at", "entry", /must be line for FILE:LINE/],
    ["rate", "often", /must be a number/],
    ["rate", "-1", /must be above 0/],
    ["hit_limit", "1.5", /must be an integer/],
    ["expires_in_s", "soon", /number of seconds/],
    ["limits.depth", "deep", /must be an integer/],
    ["limits.bytes", "many", /must be an integer/],
    ["service", "s".repeat(300), /is longer than/],
  ];
  await withPage(browser, collector.url, REFUSED, async (page) => {
    for (const [name, text, words] of cases) {
      await page.getByRole("button", { name: "New probe" }).click();
      await fill(page, "location", "cart.py:43");
      if (name.startsWith("limits.")) {
        await page.getByText("Limits", { exact: true }).click();
      }
      await fill(page, name, text);
      await page.getByRole("button", { name: "Set probe" }).click();
      const fault = page.locator(`[data-field="${name}"] .fault`);
      await fault.waitFor();
      assert.match((await fault.textContent()) ?? "", words, name);
      assert.equal(await page.locator(".fault").count(), 1, name);
      const focused = page.locator(":focus");
      assert.equal(await focused.getAttribute("id"), `f-${name}`);
      assert.equal(await focused.getAttribute("aria-describedby"), await fault.getAttribute("id"));
      if (name === "limits.depth") {
        await checkAccess(page, "refused");
        await picture(page, "form-error-light");
      }
      await page.keyboard.press("Escape");
    }
    const { probes } = await collector.call<{ probes: unknown[] }>("GET", "/api/v1/probes");
    assert.equal(probes.length, 0);
  });
});

test("everything that the form offers reaches the collector", async () => {
  // Proves: place, moment, service, environment, rate, hit limit, expiry, limits and capture
  // switches are sent as they were given; what was clamped is said.
  await withPage(browser, collector.url, {}, async (page) => {
    await page.getByRole("button", { name: "New probe" }).click();
    await fill(page, "location", "shop.cart:Cart.total");
    await fill(page, "at", "entry");
    await fill(page, "service", "shop");
    await fill(page, "env", "prod");
    await fill(page, "rate", "0.5");
    await fill(page, "hit_limit", "9");
    await fill(page, "expires_in_s", "10m");
    await page.getByText("Limits", { exact: true }).click();
    await fill(page, "limits.depth", "50");
    await fill(page, "limits.length", "1000");
    await page.getByLabel("stack", { exact: true }).uncheck();
    await page.getByLabel("locals").uncheck();
    await page.getByRole("button", { name: "Set probe" }).click();
    await probeRow(page, "Cart.total").getByText("clamped: depth 50 → 10").waitFor();
    const { probes } = await collector.call<{ probes: Record<string, unknown>[] }>("GET", "/api/v1/probes");
    const probe = probes[0] ?? {};
    const shown = [probe.location, probe.at, probe.service, probe.env, probe.rate, probe.hit_limit];
    assert.deepEqual(shown, ["shop.cart:Cart.total", "entry", "shop", "prod", 0.5, 9]);
    assert.deepEqual(probe.capture, { arguments: true, locals: false, return: true, stack: false });
    const { depth, length } = probe.limits as { depth: number; length: number };
    assert.deepEqual([depth, length], [10, 1000]);
    const leftS = (probe.expires_at_ns as number) / 1e9 - Date.now() / 1000;
    assert.ok(leftS > 590 && leftS < 601, `expires in ${leftS} s`);
  });
});
