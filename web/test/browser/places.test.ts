// SPDX-License-Identifier: Apache-2.0
//
// The location's completion and the view of a file, against symbols that the test makes up
// (symbols.ts); with real ones: found.test.ts.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { checkAccess, launch, picture, probeRow, withPage, type PageOptions } from "./browser";
import { Collector, waitFor } from "./processes";
import { answerSymbols, largeFile, LIBRARY, SHOP, stubOf, type Stub } from "./symbols";

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

function withSymbols(stub: Stub, use: (page: Page) => Promise<void>, options: PageOptions = {}): Promise<void> {
  return withPage(browser, collector.url, { ...options, prepare: (page) => answerSymbols(page, stub) }, use);
}

// Playwright waits with what is called disabled; a person may click there.
const DISABLED = { force: true };

const hits = (page: Page) => page.locator("#places [role=option]");
const box = (page: Page) => page.locator("#f-location");
const line = (page: Page, number: number) => page.locator(`#line-${number}`);

async function openForm(page: Page): Promise<void> {
  await page.getByRole("button", { name: "New probe" }).click();
  await box(page).waitFor();
}

async function activeText(page: Page): Promise<string> {
  const id = await box(page).getAttribute("aria-activedescendant");
  return id === null ? "" : ((await page.locator(`#${id} .hit-name`).textContent()) ?? "");
}

/** The definitions that the page sends, caught on their way. */
function sentBy(page: Page): Record<string, unknown>[] {
  const sent: Record<string, unknown>[] = [];
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().endsWith("/api/v1/probes")) {
      sent.push(request.postDataJSON() as Record<string, unknown>);
    }
  });
  return sent;
}

test("names and files are offered as one types, and chosen by keyboard", async () => {
  // Proves: SY-09, in the page: a hump query finds its name, which arrows reach and Enter fills in;
  // the matching letters are marked, user code stands out, Escape closes the list alone, and the
  // field is a combobox with an active descendant.
  const stub = stubOf([SHOP, LIBRARY]);
  await withSymbols(stub, async (page) => {
    await openForm(page);
    await box(page).pressSequentially("OC");
    const controller = hits(page).filter({ hasText: "app.orders:OrdersController" }).first();
    await controller.waitFor();
    assert.deepEqual(await controller.locator("mark").allTextContents(), ["O", "C"]);
    assert.equal(await box(page).getAttribute("role"), "combobox");
    assert.equal(await box(page).getAttribute("aria-expanded"), "true");

    await box(page).fill("quote");
    await hits(page).filter({ hasText: "Helper.quote_all" }).waitFor();
    assert.deepEqual(await hits(page).locator(".hit-name").allTextContents(), ["app.orders:quote", "flask.sansio.orders_helpers:Helper.quote_all"]);
    assert.match((await hits(page).nth(1).textContent()) ?? "", /method.*orders_helpers\.py:4.*library.*api, shop/);
    assert.equal(await activeText(page), "app.orders:quote");
    await checkAccess(page, "completion");
    await page.keyboard.press("ArrowDown");
    assert.equal(await activeText(page), "flask.sansio.orders_helpers:Helper.quote_all");
    await page.keyboard.press("ArrowDown");
    assert.equal(await activeText(page), "app.orders:quote");

    await page.keyboard.press("Escape");
    await page.locator(".places").waitFor({ state: "hidden" });
    assert.equal(await box(page).inputValue(), "quote");
    await page.keyboard.press("ArrowDown");
    await page.locator(".places").waitFor();
    await page.keyboard.press("ArrowDown");
    await waitFor("an active one", async () => (await activeText(page)) !== "");
    await page.keyboard.press("Enter");
    assert.match(await box(page).inputValue(), /quote/);
    await page.locator(".places").waitFor({ state: "hidden" });
    await page.keyboard.press("Escape");
    await page.locator(".probe-form").waitFor({ state: "detached" });
  });
});

test("an old answer never takes a newer one's place", async () => {
  // Proves: while one types on, the question before is given up; its answer has nowhere to arrive.
  const stub = stubOf([SHOP, LIBRARY]);
  stub.delayMs = (query) => (query === "quo" ? 1500 : 0);
  await withSymbols(stub, async (page) => {
    await openForm(page);
    const givenUp = page.waitForEvent("requestfailed", (request) => /search\?q=quo&/.test(request.url()));
    await box(page).fill("quo");
    await waitFor("the slow question", () => stub.asked.includes("search:quo"));
    await box(page).fill("show_t");
    await hits(page).filter({ hasText: "show_total" }).waitFor();
    assert.match((await givenUp).failure()?.errorText ?? "", /ABORTED/);
    assert.deepEqual(await hits(page).locator(".hit-name").allTextContents(), ["app.orders:OrdersController.show_total"]);
  });
});

test("Enter is never too early, and Tab goes on", async () => {
  // Proves: whoever types a name and Enter at once gets the first that is found, not a refusal; Tab takes the
  // active one along to the next field; a location that is whole is sent as it stands.
  const stub = stubOf([SHOP, LIBRARY]);
  await withSymbols(stub, async (page) => {
    const sent = sentBy(page);
    await openForm(page);
    await page.keyboard.type("show_tot");
    await page.keyboard.press("Enter");
    await waitFor("the location", async () => (await box(page).inputValue()) === "app.orders:OrdersController.show_total");
    assert.equal(sent.length, 0);
    await box(page).fill("quote");
    await hits(page).first().waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await box(page).inputValue(), "app.orders:quote");
    assert.notEqual(await page.locator(":focus").getAttribute("id"), "f-location");
    await box(page).focus();
    await page.keyboard.press("Enter");
    await probeRow(page, "app.orders:quote").waitFor();
    assert.equal(sent[0]?.location, "app.orders:quote");
  });
});

test("a file's lines: those that take a probe are clicked, the others say why not", async () => {
  // Proves: the text is shown with its lines; a blank line and a comment are refused at once with the nearest
  // lines; a click on a marked one fills the form, and what is sent bears the file's hash (SY-07).
  const stub = stubOf([SHOP, LIBRARY]);
  await withSymbols(stub, async (page) => {
    const sent = sentBy(page);
    await openForm(page);
    await page.fill("#f-service", "shop");
    await box(page).fill("orders.py");
    await hits(page).filter({ hasText: "orders.py" }).first().click();
    await line(page, 1).waitFor();
    assert.equal(await page.locator("#file-title").textContent(), "orders.py");
    assert.equal(await line(page, 10).locator("code").textContent(), "        return price * quantity");
    assert.equal(await line(page, 14).locator("code").textContent(), "    return basket", "a tab");
    await checkAccess(page, "file");

    await line(page, 6).click(DISABLED);
    const note = page.locator(".line-note");
    await note.getByText("no code on this line: it is a comment").waitFor();
    assert.match((await note.textContent()) ?? "", /OrdersController/);
    assert.deepEqual(await note.locator("button").allTextContents(), ["5", "7"]);
    await line(page, 9).click(DISABLED);
    await note.getByText("it is blank").waitFor();
    assert.equal(await box(page).inputValue(), "orders.py");
    await checkAccess(page, "refused line");

    await line(page, 8).click();
    assert.equal(await box(page).inputValue(), "/srv/shop/app/orders.py:8");
    assert.equal(await page.locator("#f-service").inputValue(), "shop", "the rest of the form stays");
    await page.getByText("OrdersController › show_total").first().waitFor();
    await page.keyboard.press("Enter");
    const row = probeRow(page, "orders.py:8");
    await row.waitFor();
    assert.deepEqual([sent[0]?.location, sent[0]?.source_hash, sent[0]?.service], [`${SHOP.file}:8`, SHOP.hash, "shop"]);
    await page.locator("#line-8.probed").waitFor();
  });
});

test("a line that is typed is refused before anything is sent", async () => {
  // Proves: a known file's line without code is refused as one types and by Enter, with the nearest lines one
  // click away; unknown files and good lines are left to the processes.
  const stub = stubOf([SHOP, LIBRARY]);
  await withSymbols(stub, async (page) => {
    const sent = sentBy(page);
    await openForm(page);
    await box(page).fill("app/orders.py:9");
    await page.keyboard.press("Enter"); // before the pause is over
    const fault = page.locator("#f-location-fault");
    await fault.getByText("no code on line 9").waitFor();
    assert.equal(await box(page).getAttribute("aria-invalid"), "true");
    await page.getByRole("button", { name: "Set probe" }).click();
    await fault.getByRole("button", { name: "Take line 10" }).waitFor();
    assert.equal(sent.length, 0);
    await checkAccess(page, "refused location");
    await picture(page, "refused-line-light");
    await fault.getByRole("button", { name: "Take line 10" }).click();
    await fault.waitFor({ state: "detached" });
    assert.equal(await box(page).inputValue(), "app/orders.py:10");
    await page.getByRole("button", { name: "Set probe" }).click();
    await probeRow(page, "app/orders.py:10").waitFor();
    assert.equal(sent[0]?.source_hash, undefined, "typed by hand: any version");

    await openForm(page);
    await box(page).fill("other/orders.py:9"); // the end of no known path
    await page.keyboard.press("Enter");
    await probeRow(page, "other/orders.py:9").waitFor();
  });
});

test("a file without text is a tree", async () => {
  // Proves: of a library, whose text is never uploaded nor asked for, the scopes and their lines are shown;
  // arrows open them, a method is taken by its name, a line by its number; also from a search by Shift and Enter.
  const stub = stubOf([SHOP, LIBRARY]);
  await withSymbols(stub, async (page) => {
    await openForm(page);
    await box(page).fill("quote_all");
    await hits(page).first().waitFor();
    await page.keyboard.press("Shift+Enter");
    const tree = page.getByRole("tree");
    await tree.getByText("quote_all(self)").waitFor();
    await page.getByText("The text of libraries is never uploaded").waitFor();
    await checkAccess(page, "outline");
    await tree.getByText("quote_all(self)").click();
    await tree.getByText("line 6").waitFor();
    await picture(page, "outline-light");
    await tree.getByText("line 6").click();
    assert.equal(await box(page).inputValue(), `${LIBRARY.file}:6`);
    await tree.getByText("quote_all(self)").hover();
    await tree.locator(".outline-row:hover .outline-pick").click();
    assert.equal(await box(page).inputValue(), "flask.sansio.orders_helpers:Helper.quote_all");
    await tree.locator("[tabindex='0']").focus();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowLeft");
    await waitFor("one row", async () => (await tree.getByRole("treeitem").count()) === 1);
    await page.keyboard.press("ArrowRight");
    await tree.getByText("quote_all(self)").waitFor();
  });
});

test("twenty thousand lines, and as many scopes, are drawn as far as seen", async () => {
  // Proves: a large file and a large tree cost what is on the screen: the number of rows does not grow, any
  // line is reached by address and by keys, and the middle is never empty while one scrolls.
  for (const hasText of [true, false]) {
    const stub = stubOf([largeFile(4000, hasText)]);
    const hash = `#/file/${encodeURIComponent("/srv/shop/large.py")}?line=15003`;
    const options = { hash, ...(hasText ? {} : { allowed: /status of 404/ }) };
    await withSymbols(stub, async (page) => {
      const scrolled = page.locator(hasText ? "#source" : ".outline");
      const row = hasText ? ".code-line" : ".outline-row";
      const wanted = hasText ? line(page, 15003) : page.getByText("made_3000()");
      await wanted.waitFor();
      assert.ok(await wanted.evaluate((element) => element.getBoundingClientRect().top > 0));
      const blank = await scrolled.evaluate(async (element, selector) => {
        let blank = 0;
        element.scrollTop = 0;
        for (let i = 0; i < 200; i++) {
          element.scrollTop += 1750;
          await new Promise((done) => requestAnimationFrame(done));
          await new Promise((done) => requestAnimationFrame(done));
          const { left, top, height } = element.getBoundingClientRect();
          const middle = document.elementFromPoint(left + 60, top + height / 2);
          blank += middle?.closest(selector) === null ? 1 : 0;
        }
        return blank;
      }, row);
      assert.equal(blank, 0);
      assert.ok((await page.locator(row).count()) < 150, `${await page.locator(row).count()} rows`);
      if (hasText) {
        await scrolled.focus();
        await page.keyboard.press("End");
        await line(page, 20_000).waitFor();
        await page.keyboard.press("Enter");
        assert.equal(await box(page).inputValue(), "/srv/shop/large.py:20000");
      }
    }, options);
  }
});

test("two versions of one file", async () => {
  // Proves: SY-07, where processes run different texts of a file, one chooses which, and lines are of that one;
  // a typed line is refused only when it holds no code in any of them.
  const older = { ...SHOP, hash: "0".repeat(40), services: ["old"], text: "x = 1\n", scope: { scope_type: "MODULE", name: "app.orders", injectible_lines: [{ start: 9, end: 9 }] } };
  await withSymbols(stubOf([SHOP, older]), async (page) => {
    await openForm(page);
    await box(page).fill("orders.py:9");
    await page.getByRole("button", { name: "show source" }).click();
    await page.getByLabel("Version").selectOption({ label: "0000000 in old" });
    await page.getByText("the file has 1 lines").or(page.locator("#line-1:has-text('x = 1')")).first().waitFor();
    assert.equal(await page.locator("#f-location-fault").count(), 0);
  });
});

test("a hostile name is text", async () => {
  // Proves: what an application calls its files and functions is shown as text, with what is unseen escaped.
  const name = "<img src=x onerror=alert(1)>\u202e";
  const hostile = {
    ...SHOP,
    file: `/srv/${name}.py`,
    text: `${name} = "\u0007"\n`,
    scope: { scope_type: "MODULE", name, scopes: [{ scope_type: "FUNCTION", name, qualified: `m:${name}`, start_line: 1, injectible_lines: [{ start: 1, end: 1 }] }] },
  };
  await withSymbols(stubOf([hostile]), async (page) => {
    await openForm(page);
    await box(page).fill("img");
    await hits(page).filter({ hasText: "\\u202e" }).first().waitFor();
    await page.keyboard.press("Shift+Enter");
    await line(page, 1).waitFor();
    assert.match((await line(page, 1).textContent()) ?? "", /<img src=x onerror=alert\(1\)>\\u202e = "\\x07"/);
    assert.equal(await page.locator("img").count(), 0);
  });
});

test("nothing is uploaded: the plain field", async () => {
  // Proves: without symbols nothing is offered or refused, and Enter sends what was typed; the same where the
  // collector does not answer such questions at all.
  await withSymbols(stubOf([]), async (page) => {
    await openForm(page);
    await page.keyboard.type("plain/cart.py:43");
    await page.keyboard.press("Enter");
    await probeRow(page, "plain/cart.py:43").waitFor();
    assert.equal(await page.getByRole("heading", { name: "Symbols" }).count(), 0);
  });
  const refuse = (page: Page) => page.route("**/api/v1/symbols/**", (route) => route.fulfill({ status: 404, json: {} }));
  await withPage(browser, collector.url, { prepare: refuse, allowed: /status of 404/ }, async (page) => {
    await openForm(page);
    await page.keyboard.type("plain/cart.py:44");
    await page.keyboard.press("Enter");
    await probeRow(page, "plain/cart.py:44").waitFor();
  });
});

test("a service's upload is switched from the page", async () => {
  // Proves: SY-08, what a service has uploaded is shown, and turning it off, on, and asking anew reach the collector.
  const stub = stubOf([SHOP]);
  await withSymbols(stub, async (page) => {
    const upload = page.locator(".upload[data-service=shop]");
    await upload.getByText(/58,123 names, 312 own of 1,204 files, \d+ s ago/).waitFor();
    await upload.getByRole("button", { name: "Upload the symbols of shop now" }).click();
    await page.getByText("asked for their symbols anew").waitFor();
    await upload.getByRole("combobox").selectOption("off");
    await waitFor("the button to go", () => upload.getByRole("button").isDisabled());
    assert.deepEqual(stub.switched, [["shop", { upload: "default", now: true }], ["shop", { upload: "off", now: false }]]);
  });
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`how it looks in ${colorScheme}, on a desktop and on a phone`, async () => {
    // Proves: no serious fault of access, contrast included, and nothing wider than the screen.
    const stub = stubOf([SHOP, LIBRARY]);
    await withSymbols(stub, async (page) => {
      await openForm(page);
      await page.keyboard.type("or");
      await hits(page).first().waitFor();
      await page.keyboard.press("ArrowDown");
      await checkAccess(page, `completion ${colorScheme}`);
      await picture(page, `completion-${colorScheme}`);
      await box(page).fill("orders.py:6");
      await page.getByRole("button", { name: "show source" }).click();
      await page.locator("#line-6.cursor").waitFor();
      await line(page, 10).click();
      await page.locator(".place-note").first().waitFor();
      await checkAccess(page, `file ${colorScheme}`);
      await picture(page, `file-${colorScheme}`);
    }, { colorScheme });
    const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
    await withSymbols(stub, async (page) => {
      await page.getByRole("button", { name: "New probe" }).tap();
      await box(page).fill("or");
      await hits(page).first().waitFor();
      await checkAccess(page, `phone completion ${colorScheme}`);
      await picture(page, `phone-completion-${colorScheme}`);
      await hits(page).filter({ hasText: "orders.py" }).first().tap();
      await line(page, 8).waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 390, `${wide} wide`);
      await checkAccess(page, `phone file ${colorScheme}`);
      await picture(page, `phone-file-${colorScheme}`);
      await line(page, 8).tap();
      await waitFor("the form", async () => (await box(page).inputValue()) === `${SHOP.file}:8`);
    }, { ...phone, colorScheme });
  });
}
