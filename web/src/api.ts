// SPDX-License-Identifier: Apache-2.0
//
// The collector's HTTP interface. Addresses are relative, so that the page also works behind a
// proxy that serves it below a path.
import { soundSnapshot } from "./sound";
import { soundFiles, soundHits, soundServices, soundUnit, type FileEntry, type Scope, type SymbolHit, type SymbolService } from "./symbols";
import type { Definition, Probe, Process, Snapshot } from "./types";

const TOKEN_KEY = "sonde.token";
const TIMEOUT_MS = 15_000;

/** A refusal in the collector's own words; status 0 when it could not be asked at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly field = "",
  ) {
    super(message);
  }
}

export function setToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token);
}

function headers(): Record<string, string> {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

async function refusal(response: Response): Promise<ApiError> {
  let message = `the collector answered ${response.status}`;
  let field = "";
  try {
    const { error } = (await response.json()) as { error: { message: string; field?: string } };
    message = error.message;
    field = error.field ?? "";
  } catch {
    // Not the collector's own answer: a proxy in between.
  }
  return new ApiError(response.status, message, field);
}

interface CallOptions {
  body?: unknown;
  timeoutMs?: number;
  onDate?: (nowMs: number) => void;
  signal?: AbortSignal | undefined;
}

function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  return ask(method, path, options, (response) => response.json() as Promise<T>);
}

async function ask<T>(
  method: string,
  path: string,
  options: CallOptions,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  options.signal?.addEventListener("abort", () => abort.abort());
  const timer = setTimeout(() => abort.abort(), options.timeoutMs ?? TIMEOUT_MS);
  const init: RequestInit = { method, headers: headers(), signal: abort.signal, cache: "no-store" };
  if (options.body !== undefined) {
    init.headers = { ...headers(), "Content-Type": "application/json" };
    init.body = JSON.stringify(options.body);
  }
  try {
    const response = await fetch(path, init);
    if (!response.ok) {
      throw await refusal(response);
    }
    const date = Date.parse(response.headers.get("Date") ?? "");
    if (!Number.isNaN(date)) {
      options.onDate?.(date);
    }
    return await read(response);
  } catch (error) {
    if (error instanceof ApiError) {
      throw error;
    }
    throw new ApiError(0, "the collector does not answer");
  } finally {
    clearTimeout(timer);
  }
}

/** `onDate` learns the collector's clock: ages are told by it, not by this machine's. */
export async function listProcesses(onDate: (nowMs: number) => void): Promise<Process[]> {
  return (await call<{ processes: Process[] }>("GET", "api/v1/processes", { onDate })).processes;
}

export async function listProbes(): Promise<Probe[]> {
  return (await call<{ probes: Probe[] }>("GET", "api/v1/probes")).probes;
}

export function addProbe(definition: Definition): Promise<Probe> {
  return call("POST", "api/v1/probes", { body: definition });
}

/** Answers when a process said how it took the probe's newest revision, or after waitMs. */
export function awaitProbe(id: string, waitMs: number): Promise<Probe> {
  return call("GET", `api/v1/probes/${encodeURIComponent(id)}?wait_ms=${waitMs}`, {
    timeoutMs: waitMs + TIMEOUT_MS,
  });
}

export function removeProbe(id: string): Promise<Probe> {
  return call("DELETE", `api/v1/probes/${encodeURIComponent(id)}`);
}

/** What is not given is left out. */
function parameters(query: object): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") {
      params.set(key, String(value));
    }
  }
  return params.toString();
}

export interface SnapshotQuery {
  limit: number;
  before?: string;
  probe?: string;
  service?: string;
}

export async function listSnapshots(query: SnapshotQuery): Promise<Snapshot[]> {
  const answer = await call<{ snapshots: Snapshot[] }>("GET", `api/v1/snapshots?${parameters(query)}`);
  return answer.snapshots.map(soundSnapshot);
}

export async function showSnapshot(id: string): Promise<Snapshot> {
  return soundSnapshot(await call("GET", `api/v1/snapshots/${encodeURIComponent(id)}`));
}

/** The live stream; its body ends when the collector goes away or `signal` says so. */
export async function openTail(signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const response = await fetch("api/v1/tail", {
    headers: { ...headers(), Accept: "text/event-stream" },
    signal,
    cache: "no-store",
  });
  if (!response.ok || response.body === null) {
    throw await refusal(response);
  }
  return response.body;
}

// --- Symbols --------------------------------------------------------------------------------

/** Names of classes, functions, fields and constants; files are asked for on their own. */
export async function searchSymbols(
  q: string,
  service: string,
  limit: number,
  signal?: AbortSignal,
): Promise<{ hits: SymbolHit[]; hasMore: boolean }> {
  const query = parameters({ q, service, limit, kind: "class,function,name" });
  const answer = await call<{ symbols: unknown; total_is_more: unknown }>("GET", `api/v1/symbols/search?${query}`, { signal });
  return { hits: soundHits(answer.symbols), hasMore: answer.total_is_more === true };
}

export async function listFiles(q: string, service: string, limit: number, signal?: AbortSignal): Promise<FileEntry[]> {
  const query = parameters({ q, service, limit });
  return soundFiles((await call<{ files: unknown }>("GET", `api/v1/symbols/files?${query}`, { signal })).files);
}

export async function symbolUnit(hash: string): Promise<Scope | null> {
  return soundUnit(await call("GET", `api/v1/symbols/units/${encodeURIComponent(hash)}`));
}

/** null: that text was not uploaded. */
export async function symbolSource(fileHash: string): Promise<string | null> {
  try {
    return await ask("GET", `api/v1/symbols/source/${encodeURIComponent(fileHash)}`, {}, (response) => response.text());
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      return null;
    }
    throw error;
  }
}

export async function listSymbolServices(): Promise<SymbolService[]> {
  return soundServices((await call<{ services: unknown }>("GET", "api/v1/symbols/services")).services);
}

/** `now` asks for everything anew. */
export async function switchSymbols(service: string, change: { upload: SymbolService["upload"]; now: boolean }): Promise<void> {
  await call("PUT", `api/v1/symbols/services/${encodeURIComponent(service)}`, { body: change });
}
