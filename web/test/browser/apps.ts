// SPDX-License-Identifier: Apache-2.0
//
// The applications that probes are set in: one web shop per language, and a program with values
// of every kind.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, ROOT, waitFor, WEB, type Collector } from "./processes";

/** The newest that a tool finds: the column `path` of its last line. */
function newest(tool: string, path: number): { version: string; path: string } {
  const out = execFileSync(join(ROOT, "tools", tool), ["--supported"], { encoding: "utf8" });
  const words = (out.trim().split("\n").pop() ?? "").split(" ");
  const [version = "", found = ""] = [words[0], words[path]];
  if (found === "") {
    throw new Error(`${tool} found none`);
  }
  return { version, path: found };
}

const newestPython = () => newest("find-pythons", 1);
const newestRuby = () => newest("find-rubies", 2);

export function lineOf(file: string, text: string): number {
  const line = readFileSync(file, "utf8").split("\n").findIndex((one) => one.includes(text)) + 1;
  if (line === 0) {
    throw new Error(`${text} is not in ${file}`);
  }
  return line;
}

// --- Shops ----------------------------------------------------------------------------------

/** A function to be found: what is typed, what it means, and two lines of its file. */
export interface Look {
  query: string;
  location: string;
  file: string;
  code: number; // in the function
  noCode: { line: number; why: RegExp };
}

/** A web shop: where its probes go, what its values are called, and how to make it work. */
export interface Shop {
  line: string; // in the handler of an order
  blank: string; // in the same program, a line that holds no code
  text: string; // the type of a text
  field: (name: string) => string;
  method: string; // a function that a probe can be set on; "": none in this language yet
  look: Look;
  order: () => Promise<void>;
}

/** The environment with the shop's packages; the same that tests/e2e/hosts.py makes. */
function shopEnvironment(): string {
  const { version, path } = newestPython();
  const venv = join(ROOT, "build", "venv", `app-${version}`);
  const requirements = join(ROOT, "examples/flask_shop/requirements.txt");
  const ready = join(venv, "ready");
  const wanted = path + readFileSync(requirements, "utf8");
  if (!existsSync(ready) || readFileSync(ready, "utf8") !== wanted) {
    rmSync(venv, { recursive: true, force: true });
    mkdirSync(venv, { recursive: true });
    execFileSync(path, ["-m", "venv", venv]);
    execFileSync(join(venv, "bin/pip"), ["install", "-q", "--disable-pip-version-check", "-r", requirements]);
    writeFileSync(ready, wanted);
  }
  return join(venv, "bin");
}

/** Runs a shop of two processes under the service "shop"; returns how to order in it. */
async function serve(collector: Collector, command: (port: number) => string[]): Promise<Shop["order"]> {
  const port = await freePort();
  const child = collector.run("shop", command(port));
  const url = `http://127.0.0.1:${port}`;
  await waitFor("the shop", () => {
    child.checkAlive();
    return fetch(`${url}/health`).then((answer) => answer.ok, () => false);
  });
  return async () => {
    await (await fetch(`${url}/order?item=tea&quantity=3`)).text();
  };
}

async function flaskShop(collector: Collector): Promise<Shop> {
  const folder = join(ROOT, "examples/flask_shop");
  const gunicorn = join(shopEnvironment(), "gunicorn");
  const order = await serve(collector, (port) => [
    gunicorn, "--workers", "2", "--threads", "4",
    "--bind", `127.0.0.1:${port}`, "--chdir", folder, "shop:app",
  ]);
  return {
    line: `shop.py:${lineOf(join(folder, "shop.py"), "total = quote(")}`,
    blank: `pricing.py:${lineOf(join(folder, "pricing.py"), "def subtotal(") - 1}`,
    text: "str",
    field: (name) => name,
    method: "pricing:Basket.subtotal",
    look: {
      query: "Basket.sub",
      location: "pricing:Basket.subtotal",
      file: join(folder, "pricing.py"),
      code: lineOf(join(folder, "pricing.py"), "return self.quantity * self.unit_price"),
      noCode: { line: lineOf(join(folder, "pricing.py"), "def subtotal(") - 1, why: /no code on this line: it is blank/ },
    },
    order,
  };
}

async function sinatraShop(collector: Collector): Promise<Shop> {
  const folder = join(ROOT, "examples/sinatra_shop");
  const order = await serve(collector, (port) => [
    "puma", "-C", "-", "--dir", folder, "-e", "production",
    "-b", `tcp://127.0.0.1:${port}`, "-t", "4:4", "-w", "2",
  ]);
  return {
    line: `shop.rb:${lineOf(join(folder, "shop.rb"), "total = Pricing.quote(")}`,
    blank: `pricing.rb:${lineOf(join(folder, "pricing.rb"), "quantity * unit_price") - 1}`,
    text: "String",
    field: (name) => `@${name}`,
    method: "",
    look: {
      query: "nexNum",
      location: "Shop.next_number",
      file: join(folder, "shop.rb"),
      code: lineOf(join(folder, "shop.rb"), "LOCK.synchronize"),
      noCode: { line: lineOf(join(folder, "shop.rb"), "# A small web shop"), why: /no code on this line: it is a comment/ },
    },
    order,
  };
}

type Start = (collector: Collector) => Promise<Shop>;

const SHOPS: Record<string, Start> = { flask: flaskShop, sinatra: sinatraShop };

/** All of them, or the one that SONDE_WEB_SHOP names. */
export function shops(): [string, Start][] {
  const wanted = process.env.SONDE_WEB_SHOP ?? "";
  const chosen = Object.entries(SHOPS).filter(([name]) => wanted === "" || name === wanted);
  if (chosen.length === 0) {
    throw new Error(`SONDE_WEB_SHOP=${wanted}: there is only ${Object.keys(SHOPS).join(", ")}`);
  }
  return chosen;
}

// --- Values of every kind, again and again --------------------------------------------------

const VALUES_S = "180"; // it ends by itself

const VALUES = join(WEB, "test/apps/values.py");
export const PRICED = `values.py:${lineOf(VALUES, "# PRICED")}`;
export const COMMENT = `values.py:${lineOf(VALUES, "# This line holds no code")}`;

const RUBY_VALUES = join(WEB, "test/apps/values.rb");
export const RUBY_PRICED = `values.rb:${lineOf(RUBY_VALUES, "# PRICED")}`;

async function startProgram(collector: Collector, service: string, command: string[]): Promise<void> {
  collector.run(service, [...command, VALUES_S]);
  await waitFor(`the process of ${service}`, async () => {
    const { processes } = await collector.call<{ processes: { service: string }[] }>("GET", "/api/v1/processes");
    return processes.some((process) => process.service === service);
  });
}

export function startValues(collector: Collector): Promise<void> {
  return startProgram(collector, "values", [newestPython().path, VALUES]);
}

export function startRubyValues(collector: Collector): Promise<void> {
  return startProgram(collector, "ruby-values", [newestRuby().path, RUBY_VALUES]);
}
