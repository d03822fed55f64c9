// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { COMMENT, PRICED, startValues } from "./apps";
import { checkAccess, launch, picture, probeRow, rows, treeRow, withPage } from "./browser";
import { Collector } from "./processes";

let browser: Browser;
let collector: Collector;

before(async () => {
  browser = await launch();
  collector = await Collector.start();
  await startValues(collector);
  await collector.call("POST", "/api/v1/probes", { location: PRICED, service: "values", rate: 5 });
  await collector.call("POST", "/api/v1/probes", { location: COMMENT, service: "values" });
  await collector.call("POST", "/api/v1/probes", { location: "app/models/not_loaded_yet.py:120" });
});
after(async () => {
  await browser?.close();
  await collector?.stop();
});

test("a collector with a token", async () => {
  // Proves: on a 401 the page asks for the token, refuses a wrong one in words, works with the
  // right one, the stream included, and keeps it for this tab alone.
  const token = "correct-horse-battery-staple";
  const guarded = await Collector.start(token);
  try {
    await withPage(browser, guarded.url, { allowed: /status of 401/ }, async (page) => {
      await page.getByLabel("This collector asks for its token").waitFor();
      await checkAccess(page, "token");
      await picture(page, "token-light");
      await page.keyboard.type("wrong");
      await page.keyboard.press("Enter");
      await page.getByText("The collector refused this token.").waitFor();
      await page.getByLabel("This collector asks for its token").fill(token);
      await page.getByRole("button", { name: "Go on" }).click();
      await page.getByText("live", { exact: true }).waitFor();
      await page.getByText("No process yet").waitFor();
      assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0);
      await page.reload();
      await page.getByText("live", { exact: true }).waitFor();
    });
  } finally {
    await guarded.stop();
  }
});

test("the policy forbids what the page does not need", async () => {
  // Proves: the page runs under a policy without inline script and style, and nothing of the page
  // is inline; that nothing violates it is looked at in every test.
  const answer = await fetch(`${collector.url}/`);
  const policy = answer.headers.get("content-security-policy") ?? "";
  assert.match(policy, /default-src 'none'|default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval/);
  const html = await answer.text();
  assert.doesNotMatch(html, /<style|style=|onload=|<script(?![^>]*\bsrc=)/);
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`a desktop in ${colorScheme}`, async () => {
    // Proves: no serious fault of access, contrast included, with a status of each kind, a
    // snapshot, its values and a probe unfolded on the screen.
    await withPage(browser, collector.url, { colorScheme }, async (page) => {
      const row = probeRow(page, "not_loaded_yet.py");
      await row.getByText(/1 pending/).waitFor();
      await probeRow(page, COMMENT).getByText("line_not_executable").waitFor();
      await rows(page).first().waitFor();
      await picture(page, `list-${colorScheme}`);
      await rows(page).first().click();
      await treeRow(page, "arguments/customer").click();
      await treeRow(page, "arguments/customer/password").waitFor();
      await probeRow(page, PRICED).locator(".probe-head").click();
      await rows(page).first().click();
      await treeRow(page, "arguments/customer/password").waitFor();
      await checkAccess(page, colorScheme);
      await picture(page, `desktop-${colorScheme}`);
      const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const [red = 0] = (/\d+/.exec(ground) ?? []).map(Number);
      assert.ok(colorScheme === "dark" ? red < 60 : red > 200, ground);
    });
  });

  test(`a phone in ${colorScheme}`, async () => {
    // Proves: one column with a switch, nothing wider than the screen, the job done by touch, and
    // no serious fault of access in any of the regions.
    const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
    await withPage(browser, collector.url, { ...phone, colorScheme }, async (page) => {
      const check = async (where: string) => {
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= 390, `${where} is ${wide} wide`);
        await checkAccess(page, `${where} ${colorScheme}`);
        await picture(page, `phone-${where}-${colorScheme}`);
      };
      await probeRow(page, COMMENT).getByText("line_not_executable").waitFor();
      await check("probes");
      await page.getByRole("button", { name: /^Processes/ }).tap();
      await page.getByText("values/test").waitFor();
      await check("processes");
      await page.getByRole("button", { name: /^Snapshots/ }).tap();
      await rows(page).first().waitFor();
      await check("snapshots");
      await rows(page).first().tap();
      await treeRow(page, "arguments/customer").tap();
      await treeRow(page, "arguments/customer/password").waitFor();
      await check("snapshot");
      await page.getByRole("button", { name: "Close" }).tap();
      await rows(page).first().waitFor();
      await page.getByRole("button", { name: "New probe" }).tap();
      await page.locator("#f-location").fill("cart.py:1");
      await check("form");
      await page.getByRole("button", { name: "Cancel" }).tap();
    });
  });
}

test("a narrow window, and a long path", async () => {
  // Proves: between phone and desktop the snapshot is below the list, and of a long path the end
  // can be read.
  const place = `/srv/${"a-long-folder/".repeat(8)}pricing.py:34`;
  const { id } = await collector.call<{ id: string }>("POST", "/api/v1/probes", { location: place });
  await withPage(browser, collector.url, { viewport: { width: 1000, height: 800 } }, async (page) => {
    const tail = page.locator(`[data-probe="${id}"] .place .tail`);
    await tail.waitFor();
    assert.equal(await tail.innerText(), "pricing.py:34");
    assert.ok(await tail.evaluate((element) => element.scrollWidth <= element.clientWidth));
    await rows(page).first().click();
    await treeRow(page, "arguments").waitFor();
    const list = await page.locator("#snapshots").boundingBox();
    const detail = await page.locator(".detail").boundingBox();
    assert.ok(list !== null && detail !== null && detail.y >= list.y + list.height - 1);
    await checkAccess(page, "narrow");
    await picture(page, "narrow-light");
  });
});

test("motion is left out when it is not wanted", async () => {
  // Proves: prefers-reduced-motion is honoured: nothing moves or fades.
  await withPage(browser, collector.url, { reducedMotion: "reduce" }, async (page) => {
    await rows(page).first().waitFor();
    const moving = await page.evaluate(() =>
      [...document.querySelectorAll("*")].filter((element) => {
        const { transitionDuration, animationName } = getComputedStyle(element);
        return animationName !== "none" || transitionDuration.split(",").some((time) => parseFloat(time) > 0);
      }).length,
    );
    assert.equal(moving, 0);
  });
});
