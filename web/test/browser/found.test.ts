// SPDX-License-Identifier: Apache-2.0
//
// Finding a place among what processes have uploaded: in a collector with 300,000 symbols, and in
// each of the shops.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { shops, type Shop } from "./apps";
import { checkAccess, launch, picture, probeRow, withPage } from "./browser";
import { Collector, waitFor } from "./processes";

const LONG_S = 60;

let browser: Browser;

before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

const hits = (page: Page) => page.locator("#places [role=option]");
const box = (page: Page) => page.locator("#f-location");

async function openForm(page: Page): Promise<void> {
  await page.getByRole("button", { name: "New probe" }).click();
  await box(page).waitFor();
}

// --- Many -----------------------------------------------------------------------------------

const FILES = 3000;
const FUNCTIONS = 100; // in each file; so 300,000
const CALL_BYTES = 3_000_000;

const VERBS = "load save find check render parse merge split count apply build close fetch guard index".split(" ");
const NOUNS = "Order Invoice Customer Basket Price Coupon Payment Stock Refund Parcel Ledger Session".split(" ");

function unitOf(file: number): string {
  const path = `/srv/many/pkg_${file % 60}/module_${file}.py`;
  const scopes = Array.from({ length: FUNCTIONS }, (_, i) => {
    const at = file * FUNCTIONS + i;
    const name = `${VERBS[at % VERBS.length]}${NOUNS[at % NOUNS.length]}${NOUNS[(at >> 4) % NOUNS.length]}_${at}`;
    const qualified = `pkg_${file % 60}.module_${file}:${name}`;
    const line = 4 * i + 1;
    return { scope_type: "FUNCTION", name, qualified, start_line: line, end_line: line + 3, has_injectible_lines: true, injectible_lines: [{ start: line + 1, end: line + 3 }] };
  });
  const scope = JSON.stringify({ scope_type: "MODULE", name: `pkg_${file % 60}.module_${file}`, source_file: path, start_line: 1, end_line: 4 * FUNCTIONS, scopes });
  const hash = createHash("sha1").update(`${path}\0user\0\0${0}\0`).update(scope).digest("hex");
  return `{"hash":"${hash}","file":"${path}","origin":"user","part":0,"parts":1,"scope":${scope}}`;
}

async function upload(collector: Collector, units: string[], batch: number, final: boolean): Promise<void> {
  const head = JSON.stringify({
    schema_version: 1, instance_id: "many-1", service: "many", env: "test", version: "", language: "python",
    runtime_version: "3.13.0", upload_id: "u-1", batch_num: batch, final, sources: [],
  });
  const body = `${head.slice(0, -1)},"units":[${units.join(",")}]}`;
  const answer = await fetch(`${collector.url}/v1/symbols`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  assert.equal(answer.status, 200, await answer.text());
}

async function uploadMany(collector: Collector): Promise<void> {
  let units: string[] = [];
  let bytes = 0;
  let batch = 0;
  for (let file = 0; file < FILES; file++) {
    const unit = unitOf(file);
    units.push(unit);
    bytes += unit.length;
    if (bytes > CALL_BYTES || file === FILES - 1) {
      await upload(collector, units, ++batch, file === FILES - 1);
      units = [];
      bytes = 0;
    }
  }
}

test("among 300,000 symbols the list follows what is typed", async () => {
  // Proves: SY-09, in the page: after each letter of a hump query the list shows names in which just those letters
  // are marked, down to the one that is looked for; how long each letter took is printed, not judged.
  const collector = await Collector.start();
  try {
    await uploadMany(collector);
    const { services } = await collector.call<{ services: { service: string; symbols: number }[] }>("GET", "/api/v1/symbols/services");
    assert.ok((services.find(({ service }) => service === "many")?.symbols ?? 0) >= FILES * FUNCTIONS);
    await withPage(browser, collector.url, {}, async (page) => {
      await openForm(page);
      const at = 234_561;
      const verb = VERBS[at % VERBS.length] ?? "";
      const [noun = "", other = ""] = [NOUNS[at % NOUNS.length], NOUNS[(at >> 4) % NOUNS.length]];
      const wanted = `${verb}${noun}${other}_${at}`;
      const query = `${verb.slice(0, 3)}${noun.slice(0, 3)}${other.slice(0, 2)}_${at}`;
      const times: string[] = [];
      for (let letters = 1; letters <= query.length; letters++) {
        const typed = query.slice(0, letters).replace("_", "").toLowerCase();
        const began = Date.now();
        await page.keyboard.type(query[letters - 1] ?? "");
        await page.waitForFunction(
          (meant) => {
            const first = document.querySelector("#places [role=option] .hit-name");
            const marks = [...(first?.querySelectorAll("mark") ?? [])].map((mark) => mark.textContent).join("");
            return marks.toLowerCase() === meant;
          },
          typed,
          { timeout: LONG_S * 1000 },
        );
        times.push(`${typed} ${Date.now() - began}`);
      }
      console.log(`ms from a letter to the list that follows it: ${times.join(", ")}`);
      assert.match((await hits(page).first().locator(".hit-name").textContent()) ?? "", new RegExp(`:${wanted}$`));
      await page.keyboard.press("Enter");
      const file = Math.floor(at / FUNCTIONS);
      assert.equal(await box(page).inputValue(), `pkg_${file % 60}.module_${file}:${wanted}`);
    });
  } finally {
    await collector.stop();
  }
});

// --- Real ones ------------------------------------------------------------------------------

async function findAndSet(page: Page, collector: Collector, shop: Shop, name: string): Promise<void> {
  const { look } = shop;
  const { noCode } = look;
  const file = basename(look.file);
  await openForm(page);
  const found = hits(page).filter({ hasText: look.location }).first();
  await waitFor("the shop's symbols", async () => {
    await box(page).fill("");
    await box(page).pressSequentially(look.query);
    return found.waitFor({ timeout: 2000 }).then(() => true, () => false);
  }, LONG_S);
  await picture(page, `found-${name}-light`);
  await box(page).fill("OutRan");
  const marks = hits(page).filter({ hasText: "OutOfRange" }).first().locator("mark");
  await waitFor("a class by its humps", async () => (await marks.allTextContents()).join(" ") === "Out Ran");
  await box(page).fill(look.query);
  await found.click();
  assert.equal(await box(page).inputValue(), look.location);
  await page.getByRole("button", { name: "show source" }).click();
  const line = (number: number) => page.locator(`#line-${number}`);
  await line(look.code).waitFor();
  assert.equal(await page.locator("#file-title").textContent(), file);
  const text = readFileSync(look.file, "utf8").split("\n")[look.code - 1] ?? "";
  assert.equal(await line(look.code).locator("code").textContent(), text);
  await checkAccess(page, `source ${name}`);
  await picture(page, `source-${name}-light`);

  await line(noCode.line).click({ force: true }); // Playwright waits with what is called disabled
  await page.locator(".line-note").getByText(noCode.why).waitFor();
  assert.equal(await box(page).inputValue(), look.location);
  await box(page).fill(`${file}:${noCode.line}`);
  await page.keyboard.press("Enter");
  await page.locator("#f-location-fault").getByText(`no code on line ${noCode.line}`).waitFor();
  const { probes } = await collector.call<{ probes: unknown[] }>("GET", "/api/v1/probes");
  assert.equal(probes.length, 0, "refused before anything was sent");

  const sending = page.waitForRequest((request) => request.method() === "POST" && request.url().endsWith("/api/v1/probes"));
  await line(look.code).click();
  await page.getByRole("button", { name: "Set probe" }).click();
  const sent = (await sending).postDataJSON() as Record<string, unknown>;
  const bytes = readFileSync(look.file);
  const hash = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
  assert.deepEqual([sent.location, sent.source_hash], [`${look.file}:${look.code}`, hash]);
  await probeRow(page, `${file}:${look.code}`).getByText(/\d (installed|emitting)/).waitFor();
  await page.locator(`#line-${look.code}.probed`).waitFor();
  const state = page.locator(".upload[data-service=shop]");
  await state.getByText(/[\d,]+ names, \d+ own of [\d,]+ files, .* ago; up to date/).waitFor({ timeout: LONG_S * 1000 });
  await picture(page, `uploads-${name}-light`);
}

for (const [name, start] of shops()) {
  test(`from half a name to a probe on its line: ${name}`, async () => {
    // Proves: SY-01 and SY-07 in the page, on a real application: a function is found by humps, its source is
    // shown, a line without code is refused by click and by hand before anything is sent, and a click sets the probe, with the
    // file's hash, in the processes.
    const collector = await Collector.start();
    try {
      const shop = await start(collector);
      await withPage(browser, collector.url, {}, (page) => findAndSet(page, collector, shop, name));
    } finally {
      await collector.stop();
    }
  });
}
