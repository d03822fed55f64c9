// SPDX-License-Identifier: Apache-2.0
//
// A collector's symbols without processes: what a test says it knows, answered in the browser
// itself. What a real one finds, and how it ranks, is tested with real ones.
import type { Page, Route } from "playwright-core";

export interface StubScope {
  scope_type: string;
  name: string;
  qualified?: string;
  start_line?: number;
  end_line?: number;
  injectible_lines?: { start: number; end: number }[];
  symbols?: { symbol_type: string; name: string; line?: number }[];
  scopes?: StubScope[];
}

export interface StubFile {
  file: string;
  origin: "user" | "library";
  language: string;
  services: string[];
  hash: string; // of the file, and with "u" before it of its unit
  text?: string;
  scope: StubScope;
}

export interface Stub {
  files: StubFile[];
  /** Queries in the order in which they came; `search:` or `files:` before each. */
  asked: string[];
  /** What was put: service and body. */
  switched: [string, unknown][];
  /** How long a query's answer takes. */
  delayMs: (query: string) => number;
}

export function stubOf(files: StubFile[]): Stub {
  return { files, asked: [], switched: [], delayMs: () => 0 };
}

interface Found {
  name: string;
  [member: string]: unknown;
}

function symbolsOf(file: StubFile): Found[] {
  const about = { file: file.file, origin: file.origin, language: file.language, services: file.services, unit: `u${file.hash}`, file_hash: file.hash };
  const out: Found[] = [];
  const walk = (scope: StubScope): void => {
    const { scope_type, name, qualified, start_line } = scope;
    const isCode = scope_type === "FUNCTION" || scope_type === "METHOD";
    if (isCode || scope_type === "CLASS") {
      const place = isCode ? { location: qualified } : {};
      out.push({ kind: isCode ? "function" : "class", scope_type, name, qualified, line: start_line, ...about, ...place });
    }
    for (const one of scope.symbols ?? []) {
      if (one.symbol_type === "STATIC_FIELD") {
        out.push({ kind: "name", symbol_type: one.symbol_type, name: one.name, line: one.line, ...about });
      }
    }
    scope.scopes?.forEach(walk);
  };
  walk(file.scope);
  return out;
}

/** Every letter of `query` in its order, the first at a word's beginning: enough for a test. */
function fits(text: string, query: string): boolean {
  const lower = text.toLowerCase();
  if (lower.includes(query.toLowerCase())) {
    return true;
  }
  const initials = text.replace(/(?<=[\p{L}\p{N}])[\p{Ll}\p{N}]/gu, "").replace(/[^\p{L}]/gu, "");
  return initials.toLowerCase().includes(query.toLowerCase());
}

function entryOf(file: StubFile): object {
  const { file: path, origin, language, services, hash } = file;
  return { file: path, origin, language, services, units: [`u${hash}`], file_hash: hash };
}

export async function answerSymbols(page: Page, stub: Stub): Promise<void> {
  const all = stub.files.flatMap(symbolsOf);
  const json = (route: Route, body: unknown) => route.fulfill({ json: body });
  await page.route("**/api/v1/symbols/**", async (route) => {
    const url = new URL(route.request().url());
    const [what = "", name = ""] = url.pathname.replace(/^.*\/symbols\//, "").split("/").map(decodeURIComponent);
    const q = url.searchParams.get("q") ?? "";
    const limit = Number(url.searchParams.get("limit") ?? "30");
    if (what === "search" || what === "files") {
      stub.asked.push(`${what}:${q}`);
      const ms = stub.delayMs(q);
      if (ms > 0) {
        await new Promise((done) => setTimeout(done, ms));
      }
    }
    try {
      if (what === "search") {
        const found = all.filter((one) => fits(one.name, q));
        await json(route, { symbols: found.slice(0, limit), total_is_more: found.length > limit });
      } else if (what === "files") {
        await json(route, { files: stub.files.filter((one) => one.file.includes(q)).slice(0, limit).map(entryOf) });
      } else if (what === "units") {
        const file = stub.files.find((one) => `u${one.hash}` === name);
        await json(route, { hash: name, file: file?.file, part: 0, parts: 1, scope: file?.scope });
      } else if (what === "source") {
        const text = stub.files.find((one) => one.hash === name)?.text;
        await route.fulfill({ status: text === undefined ? 404 : 200, contentType: "text/plain; charset=utf-8", body: text ?? "{}" });
      } else if (route.request().method() === "PUT") {
        stub.switched.push([name, route.request().postDataJSON()]);
        await json(route, {});
      } else {
        const names = [...new Set(stub.files.flatMap((file) => file.services))].sort();
        const services = names.map((service) => {
          const upload = stub.switched.filter(([one]) => one === service).map(([, body]) => (body as { upload: string }).upload);
          return { service, upload: upload.pop() ?? "default", round: 1, units: 2, symbols: 58_123, files: 1204, user_files: 312, seen_at_ns: (Date.now() - 12_000) * 1e6 };
        });
        await json(route, { services });
      }
    } catch {
      // The page has aborted the request, which is what it should do with an old one.
    }
  });
}

// --- Files to look at -----------------------------------------------------------------------

export const SHOP_TEXT = [
  '"""What things cost."""',
  "STOCK = {\"tea\": 350}",
  "",
  "",
  "class OrdersController:",
  "    # Sums up.",
  "    def show_total(self, quantity):",
  "        price = STOCK[\"tea\"]",
  "",
  "        return price * quantity",
  "",
  "",
  "def quote(basket):",
  "\treturn basket",
].join("\n");

export const SHOP: StubFile = {
  file: "/srv/shop/app/orders.py",
  origin: "user",
  language: "python",
  services: ["shop"],
  hash: "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678",
  text: `${SHOP_TEXT}\n`,
  scope: {
    scope_type: "MODULE",
    name: "app.orders",
    start_line: 1,
    end_line: 14,
    injectible_lines: [{ start: 1, end: 2 }, { start: 5, end: 5 }, { start: 13, end: 13 }],
    symbols: [{ symbol_type: "STATIC_FIELD", name: "STOCK", line: 2 }],
    scopes: [
      {
        scope_type: "CLASS",
        name: "OrdersController",
        qualified: "app.orders:OrdersController",
        start_line: 5,
        end_line: 10,
        injectible_lines: [{ start: 7, end: 7 }],
        scopes: [
          {
            scope_type: "METHOD",
            name: "show_total",
            qualified: "app.orders:OrdersController.show_total",
            start_line: 7,
            end_line: 10,
            injectible_lines: [{ start: 8, end: 8 }, { start: 10, end: 10 }],
            symbols: [{ symbol_type: "ARG", name: "self" }, { symbol_type: "ARG", name: "quantity" }],
          },
        ],
      },
      {
        scope_type: "FUNCTION",
        name: "quote",
        qualified: "app.orders:quote",
        start_line: 13,
        end_line: 14,
        injectible_lines: [{ start: 14, end: 14 }],
        symbols: [{ symbol_type: "ARG", name: "basket" }],
      },
    ],
  },
};

export const LIBRARY: StubFile = {
  file: "/usr/lib/python3/dist-packages/flask/sansio/orders_helpers.py",
  origin: "library",
  language: "python",
  services: ["api", "shop"],
  hash: "ffee00112233445566778899aabbccddeeff0011",
  scope: {
    scope_type: "MODULE",
    name: "flask.sansio.orders_helpers",
    scopes: [
      {
        scope_type: "CLASS",
        name: "Helper",
        qualified: "flask.sansio.orders_helpers:Helper",
        start_line: 3,
        end_line: 9,
        scopes: [
          {
            scope_type: "METHOD",
            name: "quote_all",
            qualified: "flask.sansio.orders_helpers:Helper.quote_all",
            start_line: 4,
            end_line: 9,
            injectible_lines: [{ start: 5, end: 6 }],
            symbols: [{ symbol_type: "ARG", name: "self" }],
          },
        ],
      },
    ],
  },
};

/** A file of many functions of five lines, four of which hold code. */
export function largeFile(functions: number, hasText: boolean): StubFile {
  const lines: string[] = [];
  const scopes: StubScope[] = [];
  for (let i = 0; i < functions; i++) {
    const first = 5 * i + 1;
    lines.push(`def made_${i}(value):`, `    # number ${i}`, `    doubled = value * 2`, `    text = "${i}"`, `    return doubled, text`);
    scopes.push({
      scope_type: "FUNCTION",
      name: `made_${i}`,
      qualified: `large:made_${i}`,
      start_line: first,
      end_line: first + 4,
      injectible_lines: [{ start: first + 2, end: first + 4 }],
    });
  }
  return {
    file: "/srv/shop/large.py",
    origin: "user",
    language: "python",
    services: ["shop"],
    hash: `1a47e${hasText ? "1" : "0"}`.padEnd(40, "0"),
    ...(hasText ? { text: lines.join("\n") } : {}),
    scope: { scope_type: "MODULE", name: "large", scopes },
  };
}
