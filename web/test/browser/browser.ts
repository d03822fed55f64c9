// SPDX-License-Identifier: Apache-2.0
//
// A browser on the page. Whatever it complains about fails the test: an error on the console, an
// exception, a violation of the content-security policy; so does a serious fault that axe finds.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { WEB } from "./processes";

const AXE = readFileSync(createRequire(`${WEB}/`).resolve("axe-core/axe.min.js"), "utf8");
const SHOTS = process.env.SONDE_WEB_SHOTS; // a folder for pictures of the main states

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
}

export interface PageOptions extends BrowserContextOptions {
  /** What the console may say: refusals and a lost collector are told there by the browser itself. */
  allowed?: RegExp;
  hash?: string;
  /** What is done before the page is opened. */
  prepare?: (page: Page) => Promise<unknown>;
}

/** Opens the page, hands it to `use`, and looks whether anything was complained about. */
export async function withPage(
  browser: Browser,
  url: string,
  options: PageOptions,
  use: (page: Page) => Promise<void>,
): Promise<void> {
  const { allowed, hash, prepare, ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...rest });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`exception: ${error.stack ?? error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    if (/error|warning/.test(message.type()) && allowed?.test(text) !== true) {
      complaints.push(`${message.type()}: ${text}`);
    }
  });
  await page.exposeFunction("sondeViolation", (what: string) => complaints.push(`policy: ${what}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      const { sondeViolation } = window as unknown as { sondeViolation: (what: string) => void };
      sondeViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  try {
    await prepare?.(page);
    await page.goto(url + (hash ?? ""));
    await use(page);
  } catch (error) {
    if (SHOTS !== undefined) {
      await page.screenshot({ path: `${SHOTS}/failed.png` });
    }
    throw error;
  } finally {
    await context.close();
  }
  assert.deepEqual(complaints, []);
}

/** No serious or critical fault of access in what the page shows now. */
export async function checkAccess(page: Page, where: string): Promise<void> {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run: () => Promise<{ violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      nodes: nodes.slice(0, 3).map((node) => `${node.html.slice(0, 200)}: ${node.failureSummary}`),
    }));
  });
  const grave = found.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(grave, [], where);
}

/** A picture for whoever looks at them; taken only when a folder is given. */
export async function picture(page: Page, name: string): Promise<void> {
  if (SHOTS !== undefined) {
    await page.screenshot({ path: `${SHOTS}/${name}.png` });
  }
}

// --- What a person sees ---------------------------------------------------------------------

export const probeRow = (page: Page, location: string) =>
  page.locator("[data-probe]").filter({ has: page.locator(".probe-head", { hasText: location }) });

export const rows = (page: Page) => page.locator("#snapshots .row");

/** The number beside "Snapshots": shown, and of how many when a filter hides some. */
export async function shownCount(page: Page): Promise<string> {
  return ((await page.locator("#snapshots-title .dim").textContent()) ?? "").trim();
}

export async function awaitCount(page: Page, count: string, seconds = 20): Promise<void> {
  await page.waitForFunction(
    (wanted) => document.querySelector("#snapshots-title .dim")?.textContent?.trim() === wanted,
    count,
    { timeout: seconds * 1000 },
  );
}

export const treeRow = (page: Page, path: string) => page.locator(`[data-path="${path}"]`);
