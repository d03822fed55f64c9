// SPDX-License-Identifier: Apache-2.0
//
// The real things that the page is tested against: the collector, and what runs under `sonde run`
// (apps.ts). Each is ended by the test that started it.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

declare global {
  // eslint-disable-next-line no-var
  var SONDE_WEB: string; // the folder web/, set by run.mjs
}

export const WEB = globalThis.SONDE_WEB;
export const ROOT = join(WEB, "..");
const SONDE = process.env.SONDE ?? join(ROOT, "build", "sonde");

/** The first true answer of `ask`, asked until the deadline. */
export async function waitFor<T>(
  what: string,
  ask: () => T | Promise<T>,
  seconds = 20,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) {
      return answer;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${seconds} s for ${what}`);
    }
    await sleep(20);
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A process with its output in a file. */
class Child {
  private readonly process: ChildProcess;
  private readonly ended: Promise<void>;

  constructor(
    args: string[],
    readonly log: string,
    options: { cwd?: string; env?: Record<string, string> } = {},
  ) {
    const out = openSync(log, "a");
    this.process = spawn(args[0] ?? "", args.slice(1), {
      stdio: ["ignore", out, out],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.ended = new Promise((resolve) => this.process.on("exit", () => resolve()));
  }

  checkAlive(): void {
    if (this.process.exitCode !== null) {
      throw new Error(`ended early:\n${readFileSync(this.log, "utf8")}`);
    }
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.process.kill(signal);
    const late = setTimeout(() => this.process.kill("SIGKILL"), 10_000);
    await this.ended;
    clearTimeout(late);
  }
}

export class Collector {
  readonly folder = mkdtempSync(join(tmpdir(), "sonde-page-"));
  private child: Child | null = null;
  private readonly others: Child[] = [];

  private constructor(
    readonly port: number,
    private readonly token: string,
  ) {}

  static async start(token = ""): Promise<Collector> {
    const it = new Collector(await freePort(), token);
    try {
      await it.start();
      return it;
    } catch (error) {
      await it.stop(); // else the test would never end
      throw error;
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return join(this.folder, "serve.log");
  }

  async start(): Promise<void> {
    const args = [SONDE, "serve", "--listen", `127.0.0.1:${this.port}`, "--data", join(this.folder, "data")];
    this.child = new Child(args, this.log, { env: { SONDE_TOKEN: this.token } });
    await waitFor("the collector", async () => {
      this.child?.checkAlive();
      return fetch(`${this.url}/healthz`).then(() => true, () => false);
    });
  }

  async kill(): Promise<void> {
    await this.child?.stop("SIGKILL");
  }

  /** Runs a program with the agent in it until the collector is stopped. */
  run(service: string, command: string[], options: { cwd?: string } = {}): Child {
    const args = [SONDE, "run", "--server", this.url, "--service", service, "--env", "test", "--", ...command];
    const child = new Child(args, join(this.folder, `${service}.log`), options);
    this.others.push(child);
    return child;
  }

  async stop(): Promise<void> {
    for (const child of this.others.splice(0)) {
      await child.stop();
    }
    await this.child?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(this.url + path, {
      method,
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${this.token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    }
    return (await answer.json()) as T;
  }
}

// --- Snapshots without an application -------------------------------------------------------

type Otlp = Record<string, unknown>;

function otlp(json: unknown): Otlp {
  if (Array.isArray(json)) {
    return { arrayValue: { values: json.map(otlp) } };
  }
  if (typeof json === "object" && json !== null) {
    return { kvlistValue: { values: pairs(json as Record<string, unknown>) } };
  }
  if (typeof json === "boolean") {
    return { boolValue: json };
  }
  return typeof json === "number" ? { intValue: String(json) } : { stringValue: String(json) };
}

function pairs(json: Record<string, unknown>): { key: string; value: Otlp }[] {
  return Object.entries(json).map(([key, value]) => ({ key, value: otlp(value) }));
}

export interface Fed {
  service?: string;
  probe?: string;
  function?: string;
  note?: string;
}

let fed = 0;

/** Gives the collector `count` snapshots of this moment, as an agent would; returns their ids. */
export async function feed(collector: Collector, count: number, about: Fed = {}): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const records = [];
    for (let i = 0; i < 500 && ids.length < count; i++) {
      const number = ++fed;
      const id = `fed${String(number).padStart(8, "0")}`;
      ids.push(id);
      const local = { type: "int", value: String(number) };
      const note = { type: "str", value: about.note ?? "fed by a test" };
      records.push({
        timeUnixNano: String(BigInt(Date.now()) * 1_000_000n + BigInt(number % 1_000_000)),
        eventName: "sonde.snapshot",
        attributes: pairs({
          "sonde.snapshot.id": id,
          "sonde.probe.id": about.probe ?? "p-fed",
          "sonde.probe.revision": 1,
          "code.file.path": "/srv/fed/cart.py",
          "code.line.number": 43,
          "code.function.name": about.function ?? "Cart.total",
          "thread.name": "MainThread",
        }),
        body: otlp({ captures: { lines: { "43": { arguments: {}, locals: { number: local, note } } } } }),
      });
    }
    const resource = { attributes: pairs({ "service.name": about.service ?? "fed", "process.pid": 4711 }) };
    await collector.call("POST", "/v1/logs", {
      resourceLogs: [{ resource, scopeLogs: [{ logRecords: records }] }],
    });
  }
  return ids;
}
