// SPDX-License-Identifier: Apache-2.0
//
// The snapshots that the page knows, newest first, as summaries: a row of the list and what the
// filters look at. Whole snapshots are kept elsewhere, and only some (bodies.ts).
import { escape } from "./escape";
import { ending, placeOf } from "./format";
import { previewSnapshot, type Piece } from "./value";
import type { Snapshot } from "./types";

export const SUMMARIES_MOST = 10_000;
const PREVIEW_COLUMNS = 160;
const SEARCHED_COLUMNS = 600;

export interface Summary {
  id: string;
  probeId: string;
  ns: number;
  service: string;
  place: string; // file:line
  function: string;
  pid: number;
  thread: string;
  durationNs: number | null;
  ending: string; // in words, with the time suspended
  pieces: Piece[];
  searched: string; // lower case
}

export interface SnapshotList {
  items: Summary[];
  waiting: Summary[]; // came while paused
  isPaused: boolean;
  /** Per filter: where older ones go on, and whether there are none. "" is the whole list. */
  older: Record<string, { before: string; isDone: boolean }>;
  isLoadingOlder: boolean;
}

export interface Filter {
  service: string;
  probe: string;
  text: string;
}

export const EMPTY_LIST: SnapshotList = {
  items: [],
  waiting: [],
  isPaused: false,
  older: {},
  isLoadingOlder: false,
};

export function summarize(snapshot: Snapshot): Summary {
  const { location, runtime, thread, trace } = snapshot;
  const place = placeOf(location);
  const values = previewSnapshot(snapshot, SEARCHED_COLUMNS)
    .map((piece) => piece.text)
    .join("");
  const about = [snapshot.id, place, location.function, snapshot.service, snapshot.env];
  about.push(String(runtime.pid), thread.name, trace?.trace_id ?? "");
  return {
    id: snapshot.id,
    probeId: snapshot.probe_id,
    ns: snapshot.timestamp_ns,
    service: snapshot.service,
    place,
    function: escape(location.function),
    pid: runtime.pid,
    thread: escape(thread.name),
    durationNs: snapshot.duration_ns,
    ending: ending(snapshot),
    pieces: previewSnapshot(snapshot, PREVIEW_COLUMNS),
    searched: `${about.join(" ")} ${values}`.toLowerCase(),
  };
}

/** Newest first; the id decides between two of one time, so that the order is total. */
function order(a: Summary, b: Summary): number {
  return b.ns - a.ns || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}

/** Two lists in order as one, each snapshot once. */
export function merge(a: Summary[], b: Summary[]): Summary[] {
  const out: Summary[] = [];
  for (let i = 0, k = 0; i < a.length || k < b.length; ) {
    const left = a[i];
    const right = b[k];
    const compared = left === undefined ? 1 : right === undefined ? -1 : order(left, right);
    if (compared === 0) {
      k++;
    } else if (compared < 0) {
      out.push(left as Summary);
      i++;
    } else {
      out.push(right as Summary);
      k++;
    }
  }
  return out;
}

function bounded(items: Summary[]): Summary[] {
  return items.length > SUMMARIES_MOST ? items.slice(0, SUMMARIES_MOST) : items;
}

/**
 * What came live, or was caught up. Paused, it waits; what the list shows already does not wait
 * a second time.
 */
export function addNewest(list: SnapshotList, batch: Summary[]): SnapshotList {
  const sorted = [...batch].sort(order);
  if (list.isPaused) {
    const shown = new Set(list.items.map((item) => item.id));
    const fresh = sorted.filter((summary) => !shown.has(summary.id));
    return { ...list, waiting: bounded(merge(list.waiting, fresh)) };
  }
  return withItems(list, merge(list.items, sorted));
}

/** The list never grows past its bound; when the oldest go, so does where they went on. */
function withItems(list: SnapshotList, merged: Summary[]): SnapshotList {
  const items = bounded(merged);
  const older = items.length < merged.length ? {} : list.older;
  return { ...list, items, older };
}

export function pause(list: SnapshotList, isPaused: boolean): SnapshotList {
  if (isPaused) {
    return { ...list, isPaused };
  }
  return { ...withItems(list, merge(list.items, list.waiting)), waiting: [], isPaused };
}

export function matches(summary: Summary, filter: Filter): boolean {
  return (
    (filter.service === "" || summary.service === filter.service) &&
    (filter.probe === "" || summary.probeId === filter.probe) &&
    (filter.text === "" || summary.searched.includes(filter.text.toLowerCase()))
  );
}

export function filtered(items: Summary[], filter: Filter): Summary[] {
  return filter.service === "" && filter.probe === "" && filter.text === ""
    ? items
    : items.filter((item) => matches(item, filter));
}

function olderKey(filter: Filter): string {
  return filter.service === "" && filter.probe === "" ? "" : `${filter.service}\n${filter.probe}`;
}

/**
 * What to ask for to see further back; null when there is nothing, or no room. The collector
 * filters by service and probe, so that each such filter reaches back on its own; it starts
 * where the whole list ends.
 */
export function nextOlder(list: SnapshotList, filter: Filter): { before: string } | null {
  const last = list.items[list.items.length - 1];
  if (last === undefined || list.isLoadingOlder || list.items.length >= SUMMARIES_MOST) {
    return null;
  }
  const known = list.older[olderKey(filter)] ?? list.older[""] ?? { before: last.id, isDone: false };
  return known.isDone ? null : { before: known.before };
}

/** An answer to nextOlder(): `asked` were wanted, fewer came at the end. */
export function addOlder(
  list: SnapshotList,
  filter: Filter,
  batch: Summary[],
  asked: number,
): SnapshotList {
  const last = batch[batch.length - 1];
  const key = olderKey(filter);
  const before = last?.id ?? list.older[key]?.before ?? "";
  const added = withItems(list, merge(list.items, batch));
  // The whole list goes on where it ended before a filter reached further back: between those
  // further ones, others are missing.
  const end = list.items[list.items.length - 1]?.id ?? before;
  const whole = added.older[""] ?? { before: end, isDone: false };
  return {
    ...added,
    isLoadingOlder: false,
    older: { ...added.older, "": whole, [key]: { before, isDone: batch.length < asked } },
  };
}
