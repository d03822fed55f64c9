// SPDX-License-Identifier: Apache-2.0
//
// All that the page knows, and how it changes. The reducer is pure: what speaks to the
// collector is in actions.ts, live.ts and poll.ts.
import type { FilePlace, Source } from "./files";
import { addNewest, addOlder, EMPTY_LIST, pause, type Filter, type SnapshotList, type Summary } from "./list";
import type { Route } from "./route";
import type { SymbolService } from "./symbols";
import { PAGE, type Folding } from "./tree";
import type { Definition, Probe, Process, Snapshot } from "./types";

export type Region = "probes" | "processes" | "snapshots";

export type Link =
  | { state: "connecting" }
  | { state: "live" }
  | { state: "resting" } // nobody looks
  | { state: "lost"; sinceMs: number; retryAtMs: number };

export interface Opened {
  id: string;
  snapshot: Snapshot | null; // null: on its way, or see error
  error: string;
}

/** A file that is looked at, to set a probe in it. */
export interface OpenedFile {
  place: FilePlace;
  source: Source | null; // null: on its way, or see error
  error: string;
}

/** A place that was chosen in a file. */
export interface Picked {
  location: string;
  sourceHash: string;
}

export interface Form {
  changes: Probe | null; // null: a new probe
  location: string;
  service: string;
  picked?: Picked; // meanwhile
}

export interface Notice {
  text: string;
  undo: Definition | null; // a removed probe, to be set again
}

export interface State {
  clockAheadMs: number; // of the collector, against this machine
  processes: Process[] | null; // null: not known yet
  probes: Probe[] | null;
  symbolServices: SymbolService[]; // none: nobody uploads, or the collector does not keep them
  unfolded: ReadonlySet<string>; // probes whose processes are shown
  list: SnapshotList;
  filter: Filter;
  cursor: string | null; // the list's row that keys act on
  opened: Opened | null;
  file: OpenedFile | null;
  folding: Readonly<Record<string, Folding>>; // by probe: one opens the same members again
  link: Link;
  tokenWanted: "no" | "yes" | "refused";
  form: Form | null;
  notice: Notice | null;
  isHelpOpen: boolean;
  region: Region; // the one that a narrow screen shows
}

export type Action =
  | { type: "processes"; processes: Process[]; clockAheadMs: number }
  | { type: "probes"; probes: Probe[] }
  | { type: "probe"; probe: Probe }
  | { type: "probe-removed"; id: string }
  | { type: "unfold"; id: string; isUnfolded: boolean }
  | { type: "snapshots"; batch: Summary[] }
  | { type: "older-asked" }
  | { type: "older-failed" }
  | { type: "older"; filter: Filter; batch: Summary[]; asked: number }
  | { type: "pause"; isPaused: boolean }
  | { type: "filter"; filter: Partial<Filter> }
  | { type: "cursor"; id: string | null }
  | { type: "opened"; opened: Opened | null }
  | { type: "file"; file: OpenedFile | null }
  | { type: "pick"; picked: Picked }
  | { type: "symbol-services"; services: SymbolService[] }
  | { type: "fold"; probeId: string; path: string; isOpen: boolean }
  | { type: "show-more"; probeId: string; path: string }
  | { type: "route"; route: Route }
  | { type: "link"; link: Link }
  | { type: "token"; wanted: State["tokenWanted"] }
  | { type: "form"; form: Form | null }
  | { type: "notice"; notice: Notice | null }
  | { type: "help"; isOpen: boolean }
  | { type: "region"; region: Region };

export const INITIAL: State = {
  clockAheadMs: 0,
  processes: null,
  probes: null,
  symbolServices: [],
  unfolded: new Set(),
  list: EMPTY_LIST,
  filter: { service: "", probe: "", text: "" },
  cursor: null,
  opened: null,
  file: null,
  folding: {},
  link: { state: "connecting" },
  tokenWanted: "no",
  form: null,
  notice: null,
  isHelpOpen: false,
  region: "probes",
};

const NO_FOLDING: Folding = { open: new Map(), shown: new Map() };

export function foldingOf(state: State, probeId: string): Folding {
  return state.folding[probeId] ?? NO_FOLDING;
}

function withFolding(state: State, probeId: string, change: (folding: Folding) => Folding): State {
  const changed = change(foldingOf(state, probeId));
  return { ...state, folding: { ...state.folding, [probeId]: changed } };
}

/** Newest first, as the collector lists them. */
function withProbe(state: State, probe: Probe): State {
  const known = state.probes ?? [];
  const isKnown = known.some((other) => other.id === probe.id);
  const probes = isKnown
    ? known.map((other) => (other.id === probe.id ? probe : other))
    : [probe, ...known];
  return { ...state, probes };
}

function withUnfolded(state: State, id: string, isUnfolded: boolean): State {
  const unfolded = new Set(state.unfolded);
  if (isUnfolded) {
    unfolded.add(id);
  } else {
    unfolded.delete(id);
  }
  return { ...state, unfolded };
}

function reduceRoute(state: State, route: Route): State {
  if (route.kind === "probe") {
    const shown = withUnfolded(state, route.id, true);
    const filter = { ...state.filter, probe: route.id };
    return { ...shown, opened: null, file: null, region: "probes", filter };
  }
  if (route.kind === "snapshot") {
    return { ...state, cursor: route.id, file: null, region: "snapshots" };
  }
  if (route.kind === "file") {
    return { ...state, opened: null, region: "snapshots" };
  }
  return { ...state, opened: null, file: null };
}

/** Into the form that is open, which keeps all else, or into a new one. */
function withPicked(state: State, picked: Picked): State {
  const form = state.form ?? { changes: null, location: "", service: "" };
  return { ...state, form: { ...form, picked }, region: "probes" };
}

function reduceSnapshots(state: State, action: Action): State {
  switch (action.type) {
    case "snapshots":
      return { ...state, list: addNewest(state.list, action.batch) };
    case "older-asked":
      return { ...state, list: { ...state.list, isLoadingOlder: true } };
    case "older-failed":
      return { ...state, list: { ...state.list, isLoadingOlder: false } };
    case "older":
      return { ...state, list: addOlder(state.list, action.filter, action.batch, action.asked) };
    case "pause":
      return { ...state, list: pause(state.list, action.isPaused) };
    case "filter":
      return { ...state, filter: { ...state.filter, ...action.filter } };
    case "cursor":
      return { ...state, cursor: action.id };
    case "opened":
      return { ...state, opened: action.opened };
    case "fold":
      return withFolding(state, action.probeId, (folding) => ({
        ...folding,
        open: new Map(folding.open).set(action.path, action.isOpen),
      }));
    case "show-more":
      return withFolding(state, action.probeId, (folding) => ({
        ...folding,
        shown: new Map(folding.shown).set(
          action.path,
          (folding.shown.get(action.path) ?? PAGE) + PAGE,
        ),
      }));
    default:
      return state;
  }
}

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "processes":
      return { ...state, processes: action.processes, clockAheadMs: action.clockAheadMs };
    case "probes":
      return { ...state, probes: action.probes };
    case "probe":
      return withProbe(state, action.probe);
    case "probe-removed":
      return {
        ...state,
        probes: (state.probes ?? []).filter((probe) => probe.id !== action.id),
        filter: state.filter.probe === action.id ? { ...state.filter, probe: "" } : state.filter,
      };
    case "unfold":
      return withUnfolded(state, action.id, action.isUnfolded);
    case "route":
      return reduceRoute(state, action.route);
    case "link":
      return { ...state, link: action.link };
    case "token":
      return { ...state, tokenWanted: action.wanted };
    case "form":
      return { ...state, form: action.form, region: action.form ? "probes" : state.region };
    case "file":
      return { ...state, file: action.file };
    case "pick":
      return withPicked(state, action.picked);
    case "symbol-services":
      return { ...state, symbolServices: action.services };
    case "notice":
      return { ...state, notice: action.notice };
    case "help":
      return { ...state, isHelpOpen: action.isOpen };
    case "region":
      return { ...state, region: action.region };
    default:
      return reduceSnapshots(state, action);
  }
}
