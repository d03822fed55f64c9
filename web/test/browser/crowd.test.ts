// SPDX-License-Identifier: Apache-2.0
//
// More than fits: many probes, many processes, long names, large print.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { checkAccess, launch, picture, rows, treeRow, withPage } from "./browser";
import { Collector, feed } from "./processes";

const PROBES = 200;
const PROCESSES = 100;
const LONG_PATH = `/srv/${"a-long-folder/".repeat(20)}pricing.py:34`.padStart(300, "/x");
const LONG_NAME = `shop.cart:${"A".repeat(140)}.${"b".repeat(149)}`;
const LONG_SERVICE = `shop-${"s".repeat(90)}`;

let browser: Browser;
let collector: Collector;

/** Makes a process known, as its agent would. */
async function register(number: number): Promise<void> {
  const now = Date.now() * 1e6;
  await collector.call("POST", "/api/v1/agent/poll", {
    instance_id: `crowd-${number}`,
    service: number % 10 === 0 ? LONG_SERVICE : `shop-${number % 7}`,
    env: "production",
    version: number % 10 === 1 ? "2025.11.22-build.4711-with-a-long-suffix" : "1.2.3",
    language: number % 2 === 0 ? "ruby" : "python",
    runtime_version: "3.1.2",
    pid: 1_000_000 + number,
    host: number % 10 === 2 ? "ip-10-0-0-1.eu-central-1.compute.internal" : "web-1",
    agent_version: "0.1.0",
    started_at_ns: now,
    generation: "",
    wait_ms: 0,
  });
  await collector.call("POST", "/api/v1/agent/status", {
    instance_id: `crowd-${number}`,
    statuses: [],
    armed: 0,
    dropped: number === 5 ? { queue_full: 12 } : {},
    disarmed: [],
  });
}

before(async () => {
  browser = await launch();
  collector = await Collector.start();
  assert.deepEqual([LONG_PATH.length, LONG_NAME.length], [300, 300]);
  for (let i = 0; i < PROBES - 2; i++) {
    await collector.call("POST", "/api/v1/probes", { location: `app/models/cart_${i}.rb:${i + 1}` });
  }
  await collector.call("POST", "/api/v1/probes", { id: "p-path", location: LONG_PATH });
  await collector.call("POST", "/api/v1/probes", { id: "p-name", location: LONG_NAME });
  await feed(collector, 60, { service: LONG_SERVICE, function: LONG_NAME, note: "n".repeat(255) });
});
after(async () => {
  await browser?.close();
  await collector?.stop();
});

/** What lies over its neighbour, sticks out of its box, or can not be reached by scrolling. */
function faults(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const out: string[] = [];
    const nameOf = (element: Element) => `${element.tagName} ${element.className} “${element.textContent?.slice(0, 30)}”`;
    const boxes = (elements: Iterable<Element>) =>
      [...elements].map((element) => ({ element, box: element.getBoundingClientRect() })).filter(({ box }) => box.width > 0 && box.height > 0);
    const side = document.documentElement;
    if (side.scrollWidth > side.clientWidth || side.scrollHeight > side.clientHeight) {
      out.push(`the page is ${side.scrollWidth} × ${side.scrollHeight} in ${side.clientWidth} × ${side.clientHeight}`);
    }
    // Neighbours: of each row, of each line in one, and in the bars.
    const parents = "header, main, .side, .side ul, .probe, .probe-head, .process, .line, .bar, .filters, .row, .tree, .tree-row, .stack li, .facts, .facts > div, .probe-form, .pair";
    document.querySelectorAll(parents).forEach((parent) => {
      const children = boxes(parent.children);
      children.forEach(({ element, box }, i) => {
        const next = children[i + 1];
        const isOver = (a: DOMRect, b: DOMRect) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
        if (next !== undefined && !element.matches(".side h2") && isOver(box, next.box)) {
          out.push(`${nameOf(element)} lies over ${nameOf(next.element)}`);
        }
        const around = parent.getBoundingClientRect();
        if (box.right > around.right + 1 || box.left < around.left - 1) {
          out.push(`${nameOf(element)} sticks out of ${nameOf(parent)}`);
        }
      });
    });
    // Each list that holds more than it shows scrolls, and shows at least two rows of it.
    document.querySelectorAll(".probes, .processes, #snapshots, .detail .body").forEach((list) => {
      const { clientHeight, scrollHeight } = list;
      const box = list.getBoundingClientRect();
      if (box.height === 0) {
        return; // of another region
      }
      if (scrollHeight > clientHeight + 1 && !/auto|scroll/.test(getComputedStyle(list).overflowY)) {
        out.push(`${nameOf(list)} does not scroll`);
      }
      if (clientHeight < 80 || box.bottom > window.innerHeight + 1) {
        out.push(`${nameOf(list)} has ${clientHeight} pixels, down to ${box.bottom}`);
      }
    });
    return out;
  });
}

async function checkLayout(page: Page, name: string): Promise<void> {
  await picture(page, `crowd-${name}`);
  assert.deepEqual((await faults(page)).slice(0, 8), [], name);
  if (name === "zoom-200-processes") {
    await checkAccess(page, name); // it takes long with so many; access.test.ts looks at each screen
  }
}

const SCREENS = {
  desktop: { width: 1440, height: 900 },
  "zoom-200": { width: 720, height: 450 }, // what is left of that screen at 200 %
  short: { width: 1000, height: 480 },
  phone: { width: 390, height: 844 },
};

for (const [name, viewport] of Object.entries(SCREENS)) {
  test(`${PROBES} probes and ${PROCESSES} processes: ${name}`, async () => {
    // Proves: nothing lies over anything else or sticks out, each list scrolls, the end of a long
    // place can be read, and no serious fault of access; also with the form and a snapshot open.
    await Promise.all(Array.from({ length: PROCESSES }, (_, number) => register(number)));
    await withPage(browser, collector.url, { viewport }, async (page) => {
      const goTo = (key: string) => page.keyboard.press(key);
      await page.locator("[data-probe='p-path']").waitFor();
      await page.locator(".process").nth(PROCESSES - 1).waitFor({ state: "attached" });
      await checkLayout(page, name);
      const tail = page.locator("[data-probe='p-path'] .place .tail");
      assert.ok(await tail.evaluate((element) => element.scrollWidth <= element.clientWidth), "the file's name is cut");
      await page.locator(".probe").last().scrollIntoViewIfNeeded();
      assert.ok(await page.locator(".probe").last().isVisible());

      await page.locator("[data-probe='p-name'] .probe-head").click();
      await page.locator("[data-probe='p-name'] .facts").waitFor();
      await checkLayout(page, `${name}-unfolded`);
      await goTo("n");
      await page.fill("#f-location", LONG_NAME);
      await checkLayout(page, `${name}-form`);
      await goTo("Escape");

      await goTo("2");
      await page.locator(".process").last().scrollIntoViewIfNeeded();
      await checkLayout(page, `${name}-processes`);
      await goTo("3");
      await page.getByLabel("Probe", { exact: true }).selectOption("");
      await rows(page).first().click();
      await treeRow(page, "locals/note").click();
      await checkLayout(page, `${name}-snapshot`);
    });
  });
}
