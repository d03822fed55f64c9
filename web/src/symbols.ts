// SPDX-License-Identifier: Apache-2.0
//
// What processes have loaded (docs/formats/symbols.md), brought into shape as it comes in:
// whoever may upload symbols may send anything in a scope.
import type { Process } from "./types";

export type Origin = "user" | "library" | "standard" | "generated";
export type Kind = "file" | "class" | "function" | "name";

/** One answer of a search. Texts that were left out are empty, numbers 0. */
export interface SymbolHit {
  kind: Kind;
  type: string; // a scope's or a symbol's: "METHOD", "STATIC_FIELD"
  name: string;
  qualified: string;
  file: string;
  line: number;
  origin: Origin;
  services: string[];
  fileHash: string;
  location: string; // "": neither its name nor its line takes a probe
}

/** One version of a file. */
export interface FileEntry {
  file: string;
  origin: Origin;
  language: string;
  services: string[];
  units: string[];
  fileHash: string; // "": it is not known what was loaded
}

export interface Name {
  type: string; // "ARG", "LOCAL", "FIELD", …
  name: string;
}

export interface Scope {
  type: string; // "FILE", "MODULE", "CLASS", "FUNCTION", "METHOD", "CLOSURE"
  name: string;
  qualified: string;
  first: number; // lines; 0: unknown
  last: number;
  lines: [number, number][]; // of the scope itself, that can take a probe
  names: Name[];
  scopes: Scope[];
}

export interface SymbolService {
  service: string;
  upload: "default" | "on" | "off";
  symbols: number;
  files: number;
  userFiles: number;
  seenAtNs: number;
}

type Json = Record<string, unknown>;

const NESTING_MOST = 100;

function isObject(json: unknown): json is Json {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function objects(json: unknown): Json[] {
  return Array.isArray(json) ? json.filter(isObject) : [];
}

function text(json: unknown): string {
  return typeof json === "string" ? json : "";
}

function texts(json: unknown): string[] {
  return Array.isArray(json) ? json.filter((one) => typeof one === "string") : [];
}

function whole(json: unknown): number {
  return typeof json === "number" && Number.isInteger(json) && json > 0 ? json : 0;
}

function oneOf<T extends string>(json: unknown, words: readonly T[], otherwise: T): T {
  return words.find((word) => word === json) ?? otherwise;
}

const ORIGINS = ["user", "library", "standard", "generated"] as const;
const KINDS = ["file", "class", "function", "name"] as const;
const UPLOADS = ["default", "on", "off"] as const;

export function soundHits(json: unknown): SymbolHit[] {
  return objects(json).map((hit) => ({
    kind: oneOf(hit.kind, KINDS, "name"),
    type: text(hit.scope_type) || text(hit.symbol_type),
    name: text(hit.name),
    qualified: text(hit.qualified),
    file: text(hit.file),
    line: whole(hit.line),
    origin: oneOf(hit.origin, ORIGINS, "library"),
    services: texts(hit.services),
    fileHash: text(hit.file_hash),
    location: text(hit.location),
  }));
}

export function soundFiles(json: unknown): FileEntry[] {
  return objects(json).map((file) => ({
    file: text(file.file),
    origin: oneOf(file.origin, ORIGINS, "library"),
    language: text(file.language),
    services: texts(file.services),
    units: texts(file.units),
    fileHash: text(file.file_hash),
  }));
}

function soundScope(json: Json, depth: number): Scope {
  return {
    type: text(json.scope_type),
    name: text(json.name),
    qualified: text(json.qualified),
    first: whole(json.start_line),
    last: whole(json.end_line),
    lines: objects(json.injectible_lines)
      .map(({ start, end }): [number, number] => [whole(start), whole(end) || whole(start)])
      .filter(([start, end]) => start > 0 && end >= start),
    names: objects(json.symbols).map((one) => ({ type: text(one.symbol_type), name: text(one.name) })),
    scopes: depth < NESTING_MOST ? objects(json.scopes).map((one) => soundScope(one, depth + 1)) : [],
  };
}

/** A unit's scopes; null where there are none. */
export function soundUnit(json: unknown): Scope | null {
  return isObject(json) && isObject(json.scope) ? soundScope(json.scope, 0) : null;
}

export function soundServices(json: unknown): SymbolService[] {
  return objects(json).map((one) => ({
    service: text(one.service),
    upload: oneOf(one.upload, UPLOADS, "default"),
    symbols: whole(one.symbols),
    files: whole(one.files),
    userFiles: whole(one.user_files),
    seenAtNs: whole(one.seen_at_ns),
  }));
}

// --- Words ----------------------------------------------------------------------------------

const WORDS: Record<string, [letter: string, word: string]> = {
  FILE: ["F", "file"],
  MODULE: ["M", "module"],
  CLASS: ["C", "class"],
  FUNCTION: ["f", "function"],
  METHOD: ["m", "method"],
  CLOSURE: ["b", "block"],
  ARG: ["a", "parameter"],
  LOCAL: ["v", "local"],
  FIELD: ["v", "field"],
  STATIC_FIELD: ["k", "constant"],
  CLASS_FIELD: ["v", "class variable"],
};

/** The sign and the word of a scope's or a symbol's kind. */
export function wordOf(type: string): { letter: string; word: string } {
  const [letter, word] = WORDS[type] ?? ["·", type.toLowerCase()];
  return { letter, word };
}

/** What the processes of a service say of their uploads, in words, and whether one complains. */
export function uploadState(service: string, processes: Process[]): { text: string; faults: string[] } {
  const told = processes
    .filter((process) => process.connected && process.service === service)
    .flatMap(({ symbols }) => (symbols === undefined ? [] : [symbols]));
  const busy = told.filter(({ state }) => state === "listing" || state === "sending" || state === "waiting").length;
  const done = told.filter(({ state }) => state === "done").length;
  const faults = new Set(told.map(({ message }) => message ?? "").filter((message) => message !== ""));
  const of = `${told.length} ${told.length === 1 ? "process" : "processes"}`;
  let words = "";
  if (busy > 0) {
    words = `uploading, ${done} of ${of} done`;
  } else if (done > 0) {
    words = done === told.length ? "up to date" : `up to date in ${done} of ${of}`;
  } else if (told.length > 0) {
    words = "not uploading";
  }
  return { text: words, faults: [...faults] };
}
