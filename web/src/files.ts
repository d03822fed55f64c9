// SPDX-License-Identifier: Apache-2.0
//
// Files as the collector knows them. Units and texts are named by their content, so that what was
// fetched once is never asked for again.
import * as api from "./api";
import { lineStates } from "./colour";
import { mergeHits, type Answer } from "./complete";
import { fileLine, fileQuery, isTooLong, LineMap, namesFile, pathQuery, scopeText } from "./place";
import type { FileEntry, Scope } from "./symbols";

const UNITS_MOST = 200;
const TEXTS_MOST = 20;
const NAMES_COUNT = 30;
const FILES_COUNT = 15;
const VERSIONS_COUNT = 100;
const VERSIONS_CHECKED = 8; // a name that fits more files says nothing of any

/** What was fetched last; a fetch that failed is not kept. */
class Kept<T> {
  private readonly kept = new Map<string, Promise<T>>();

  constructor(private readonly most: number) {}

  get(key: string, fetch: () => Promise<T>): Promise<T> {
    const found = this.kept.get(key) ?? fetch();
    this.kept.delete(key);
    this.kept.set(key, found);
    found.catch(() => this.kept.delete(key));
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= this.most) {
        break;
      }
      this.kept.delete(oldest);
    }
    return found;
  }
}

const units = new Kept<Scope | null>(UNITS_MOST);
const texts = new Kept<string | null>(TEXTS_MOST);
const maps = new WeakMap<FileEntry, Promise<LineMap>>();

function mapOf(entry: FileEntry): Promise<LineMap> {
  const known = maps.get(entry);
  if (known !== undefined) {
    return known;
  }
  const parts = entry.units.map((hash) => units.get(hash, () => api.symbolUnit(hash)));
  const map = Promise.all(parts).then((roots) => new LineMap(roots.filter((root) => root !== null)));
  maps.set(entry, map);
  map.catch(() => maps.delete(entry));
  return map;
}

/** What the box offers for a text. */
export async function complete(query: string, service: string, signal: AbortSignal): Promise<Answer> {
  const { file, line } = fileQuery(query);
  if (isTooLong(query.trim())) {
    return { query, hits: [], hasMore: false };
  }
  const names = line > 0 ? Promise.resolve({ hits: [], hasMore: false }) : api.searchSymbols(query.trim(), service, NAMES_COUNT, signal);
  const [{ hits, hasMore }, files] = await Promise.all([names, api.listFiles(file, service, FILES_COUNT, signal)]);
  return { query, hits: mergeHits(query, hits, files), hasMore };
}

export interface FilePlace {
  path: string;
  line: number; // 0: none
  version: string; // a file's hash; "": whichever comes first
}

export interface Source {
  entry: FileEntry;
  versions: FileEntry[]; // of the same path
  map: LineMap;
  text: string[] | null; // lines; null: it was not uploaded
  states: string[]; // for colours, one per line
}

async function textOf(entry: FileEntry): Promise<string[] | null> {
  if (entry.origin !== "user" || entry.fileHash === "") {
    return null; // never uploaded
  }
  const text = await texts.get(entry.fileHash, () => api.symbolSource(entry.fileHash));
  const lines = text?.split(/\r\n|\n|\r/) ?? null;
  if (lines?.[lines.length - 1] === "") {
    lines.pop(); // behind the last line's end
  }
  return lines;
}

/** null: no process has loaded such a file. */
export async function loadSource(place: FilePlace): Promise<Source | null> {
  const found = await api.listFiles(pathQuery(place.path), "", VERSIONS_COUNT);
  const versions = found.filter((entry) => entry.file === place.path);
  const entry = versions.find((one) => one.fileHash === place.version) ?? versions[0];
  if (entry === undefined) {
    return null;
  }
  const [map, text] = await Promise.all([mapOf(entry), textOf(entry)]);
  return { entry, versions, map, text, states: text === null ? [] : lineStates(entry.language, text) };
}

/** What is known of a line that was typed; null: nothing is. */
export interface Checked {
  location: string; // what was asked about
  isOk: boolean;
  line: number;
  nearest: number[]; // where it is not
  scope: string; // where it is
  files: FileEntry[];
}

let lastFiles = { key: "", files: Promise.resolve<FileEntry[]>([]) };

/** The same file again, for another line, is asked for once in a while only. */
function filesNamed(file: string, service: string): Promise<FileEntry[]> {
  const key = `${file}\n${service}\n${Math.floor(Date.now() / 5000)}`;
  if (lastFiles.key !== key) {
    lastFiles = { key, files: api.listFiles(pathQuery(file), service, VERSIONS_COUNT) };
  }
  return lastFiles.files;
}

/**
 * Whether any file of that name, in any version (or in that of `sourceHash`), can take a probe there.
 * Where one can, or none is known, or too many are, the processes decide.
 */
export async function checkPlace(location: string, service: string, sourceHash: string): Promise<Checked | null> {
  const place = fileLine(location);
  if (place === null || place.line === 0) {
    return null;
  }
  const all = await filesNamed(place.file, service);
  const files = all.filter(
    (entry) => namesFile(place.file, entry.file) && (sourceHash === "" || entry.fileHash === sourceHash),
  );
  if (files.length === 0 || files.length > VERSIONS_CHECKED || files.some((entry) => entry.units.length === 0)) {
    return null;
  }
  const maps = await Promise.all(files.map(mapOf));
  const taking = maps.find((map) => map.has(place.line));
  const nearest = new Set(maps.flatMap((map) => map.nearest(place.line)));
  return {
    location,
    isOk: taking !== undefined,
    line: place.line,
    nearest: taking === undefined ? [...nearest].sort((a, b) => a - b).slice(0, 6) : [],
    scope: taking === undefined ? "" : scopeText(taking.scopesAt(place.line)),
    files,
  };
}
