// SPDX-License-Identifier: Apache-2.0
//
// What a person does, done: asks the collector and tells the store.
import * as api from "./api";
import { Bodies } from "./bodies";
import { loadSource, type FilePlace } from "./files";
import { nextOlder, summarize, type Filter } from "./list";
import { nudge } from "./nudge";
import { atLine, definitionOf } from "./probes";
import { formatRoute, parseRoute, type Route } from "./route";
import { dispatch, getState } from "./store";
import type { SymbolService } from "./symbols";
import type { Definition, Probe, Snapshot } from "./types";

const BODIES_MOST = 300;
const STATUS_WAIT_MS = 10_000;
const OLDER_COUNT = 200;

export const bodies = new Bodies(BODIES_MOST);

let changes = 0;

/** Counts what this page changed: a list that was asked for before is out of date by it. */
export function changeCount(): number {
  return changes;
}

/** Whether the collector wants a token; the page then asks for one. */
export function noteRefusal(error: unknown): boolean {
  if (!(error instanceof api.ApiError) || error.status !== 401) {
    return false;
  }
  if (getState().tokenWanted === "no") {
    dispatch({ type: "token", wanted: "yes" });
  }
  return true;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function say(text: string, undo: Definition | null = null): void {
  dispatch({ type: "notice", notice: { text, undo } });
}

export async function giveToken(token: string): Promise<void> {
  api.setToken(token);
  try {
    await api.listProbes();
  } catch (error) {
    const isRefused = error instanceof api.ApiError && error.status === 401;
    if (isRefused) {
      dispatch({ type: "token", wanted: "refused" });
      return;
    }
  }
  dispatch({ type: "token", wanted: "no" });
  nudge();
}

/** Takes in whole snapshots: their summaries, and the bodies of the newest. */
export function takeSnapshots(snapshots: Snapshot[]): void {
  snapshots.slice(-BODIES_MOST).forEach((snapshot) => bodies.put(snapshot));
  dispatch({ type: "snapshots", batch: snapshots.map(summarize) });
}

// --- Probes ---------------------------------------------------------------------------------

async function awaitStatus(id: string): Promise<void> {
  try {
    const probe = await api.awaitProbe(id, STATUS_WAIT_MS);
    const shown = getState().probes?.find((other) => other.id === id);
    if (shown !== undefined && shown.revision <= probe.revision) {
      dispatch({ type: "probe", probe });
    }
  } catch (error) {
    noteRefusal(error); // the list that is asked for every two seconds shows it too
  }
}

/** Throws the collector's refusal, for the form to show beside its field. */
export async function setProbe(definition: Definition): Promise<Probe> {
  try {
    const probe = await api.addProbe(definition);
    changes++;
    dispatch({ type: "probe", probe });
    void awaitStatus(probe.id);
    return probe;
  } catch (error) {
    noteRefusal(error);
    throw error;
  }
}

export async function moveProbe(probe: Probe, line: number): Promise<void> {
  try {
    await setProbe({ ...definitionOf(probe), location: atLine(probe.location, line) });
    say(`The probe moved to line ${line}.`);
  } catch (error) {
    say(`The probe was not moved: ${messageOf(error)}`);
  }
}

export async function removeProbe(probe: Probe): Promise<void> {
  try {
    await api.removeProbe(probe.id);
  } catch (error) {
    if (!(error instanceof api.ApiError && error.status === 404)) {
      noteRefusal(error);
      say(`The probe was not removed: ${messageOf(error)}`);
      return;
    }
  }
  changes++;
  dispatch({ type: "probe-removed", id: probe.id });
  const route = parseRoute(location.hash);
  if (route.kind === "probe" && route.id === probe.id) {
    navigate({ kind: "none" }, true);
  }
  say(`Removed ${probe.location}. Its snapshots stay.`, definitionOf(probe));
}

export async function undoRemoval(definition: Definition): Promise<void> {
  try {
    await setProbe(definition);
    dispatch({ type: "notice", notice: null });
  } catch (error) {
    say(`The probe was not set again: ${messageOf(error)}`);
  }
}

// --- Snapshots ------------------------------------------------------------------------------

async function load(id: string): Promise<void> {
  const kept = bodies.get(id);
  dispatch({ type: "opened", opened: { id, snapshot: kept, error: "" } });
  if (kept !== null) {
    return;
  }
  try {
    const snapshot = await api.showSnapshot(id);
    bodies.put(snapshot);
    if (getState().opened?.id === id) {
      dispatch({ type: "opened", opened: { id, snapshot, error: "" } });
    }
  } catch (error) {
    noteRefusal(error);
    if (getState().opened?.id === id) {
      dispatch({ type: "opened", opened: { id, snapshot: null, error: messageOf(error) } });
    }
  }
}

export async function loadOlder(): Promise<void> {
  const { list, filter } = getState();
  const next = nextOlder(list, filter);
  if (next === null) {
    return;
  }
  dispatch({ type: "older-asked" });
  const { service, probe } = filter;
  const asked: Filter = { service, probe, text: "" };
  try {
    const query = { limit: OLDER_COUNT, before: next.before, service, probe };
    const batch = (await api.listSnapshots(query)).map(summarize);
    dispatch({ type: "older", filter: asked, batch, asked: OLDER_COUNT });
  } catch (error) {
    noteRefusal(error);
    dispatch({ type: "older-failed" });
    say(`Older snapshots were not loaded: ${messageOf(error)}`);
  }
}

// --- Symbols --------------------------------------------------------------------------------

async function loadFile(place: FilePlace): Promise<void> {
  const shown = getState().file;
  // Another line of the same file: it stays on the screen.
  const isSame = shown?.place.path === place.path && shown.place.version === place.version;
  dispatch({ type: "file", file: { place, source: isSame ? shown.source : null, error: "" } });
  let error = "no process has told of such a file";
  let source = null;
  try {
    source = await loadSource(place);
  } catch (failure) {
    noteRefusal(failure);
    error = messageOf(failure);
  }
  if (getState().file?.place === place) {
    dispatch({ type: "file", file: { place, source, error: source === null ? error : "" } });
  }
}

export function openFile(place: FilePlace): Promise<void> {
  return navigate({ kind: "file", place }, getState().file !== null);
}

export function closeFile(): void {
  pushShown();
  dispatch({ type: "file", file: null });
}

export async function loadSymbolServices(): Promise<void> {
  dispatch({ type: "symbol-services", services: await api.listSymbolServices() });
}

export async function switchSymbols(service: string, upload: SymbolService["upload"], now: boolean): Promise<void> {
  try {
    await api.switchSymbols(service, { upload, now });
    await loadSymbolServices();
    if (now) {
      say(`The processes of ${service} are asked for their symbols anew.`);
    }
  } catch (error) {
    noteRefusal(error);
    say(`The symbols of ${service} were not switched: ${messageOf(error)}`);
  }
}

// --- The address ----------------------------------------------------------------------------

/** Goes to what the address names. Resolves when it is shown. */
export async function follow(route: Route): Promise<void> {
  dispatch({ type: "route", route });
  if (route.kind === "snapshot") {
    await load(route.id);
  } else if (route.kind === "file") {
    await loadFile(route.place);
  }
}

export function navigate(route: Route, isReplacing = false): Promise<void> {
  const address = formatRoute(route);
  if (isReplacing) {
    history.replaceState(null, "", address);
  } else {
    history.pushState(null, "", address);
  }
  return follow(route);
}

/** Stepping through the list is one entry of the history, not hundreds. */
export function openSnapshot(id: string): Promise<void> {
  return navigate({ kind: "snapshot", id }, getState().opened !== null);
}

/** The address of what is seen when nothing is open. */
function pushShown(): void {
  const { probe } = getState().filter;
  history.pushState(null, "", formatRoute(probe === "" ? { kind: "none" } : { kind: "probe", id: probe }));
}

export function closeSnapshot(): void {
  pushShown();
  dispatch({ type: "opened", opened: null });
}

/** Unfolds a probe and shows its snapshots; a second time, back to all. */
export function toggleProbe(id: string): void {
  if (!getState().unfolded.has(id)) {
    void navigate({ kind: "probe", id });
    return;
  }
  dispatch({ type: "unfold", id, isUnfolded: false });
  if (getState().filter.probe === id) {
    dispatch({ type: "filter", filter: { probe: "" } });
    if (parseRoute(location.hash).kind === "probe") {
      history.pushState(null, "", formatRoute({ kind: "none" }));
    }
  }
}
