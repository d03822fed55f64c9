// SPDX-License-Identifier: Apache-2.0
//
// Keys that act wherever the focus is. Those of the tree and of the fields are with them.
import { closeFile, closeSnapshot, openSnapshot } from "../actions";
import { filtered } from "../list";
import { dispatch, getState } from "../store";
import type { Region } from "../state";
import { FOCUS, focusSoon } from "./focus";

export const KEYS: { keys: string[]; does: string }[] = [
  { keys: ["n"], does: "set a new probe" },
  { keys: ["/"], does: "search the snapshots" },
  { keys: ["p"], does: "pause, go on" },
  { keys: ["j", "k"], does: "next, previous snapshot; ↓ ↑ in the list" },
  { keys: ["Enter"], does: "open the snapshot; fold or unfold a value" },
  { keys: ["→", "←"], does: "unfold, fold a value" },
  { keys: ["⇧ Enter"], does: "show the source of a name that was found" },
  { keys: ["Alt ↓"], does: "in a file: the next line that can take a probe; Alt ↑ the one before" },
  { keys: ["Esc"], does: "close, back to the list" },
  { keys: ["1", "2", "3"], does: "probes, processes, snapshots" },
  { keys: ["Del"], does: "remove the probe that has the focus" },
  { keys: ["?"], does: "this help" },
];

/** Moves the list's cursor; an open snapshot follows it. */
export function stepCursor(by: number): void {
  const { list, filter, cursor, opened } = getState();
  const rows = filtered(list.items, filter);
  const at = rows.findIndex((row) => row.id === cursor);
  const target = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))];
  if (target === undefined) {
    return;
  }
  dispatch({ type: "cursor", id: target.id });
  if (opened !== null) {
    void openSnapshot(target.id);
  }
}

export async function openCursor(): Promise<void> {
  const { cursor } = getState();
  if (cursor !== null) {
    await openSnapshot(cursor);
    focusSoon(FOCUS.tree);
  }
}

export function startForm(location = "", service = ""): void {
  dispatch({ type: "form", form: { changes: null, location, service } });
  focusSoon(FOCUS.location);
}

export function closeForm(): void {
  dispatch({ type: "form", form: null });
  focusSoon(FOCUS.newProbe);
}

export function goToRegion(region: Region): void {
  dispatch({ type: "region", region });
  focusSoon({ probes: FOCUS.probes, processes: FOCUS.processes, snapshots: FOCUS.list }[region]);
}

function escapeKey(target: HTMLElement): void {
  const { form, opened, file, filter } = getState();
  if (target.id === "filter-text") {
    if (filter.text !== "") {
      dispatch({ type: "filter", filter: { text: "" } });
    } else {
      focusSoon(FOCUS.list);
    }
  } else if (form !== null && target.closest(".file") === null) {
    closeForm();
  } else if (file !== null) {
    closeFile();
    focusSoon(form !== null ? FOCUS.location : FOCUS.list);
  } else if (opened !== null) {
    closeSnapshot();
    focusSoon(FOCUS.list);
  }
}

const ACTIONS: Record<string, () => void> = {
  n: () => startForm(),
  "/": () => {
    dispatch({ type: "region", region: "snapshots" });
    focusSoon(FOCUS.text);
  },
  p: () => dispatch({ type: "pause", isPaused: !getState().list.isPaused }),
  j: () => stepCursor(1),
  k: () => stepCursor(-1),
  "?": () => dispatch({ type: "help", isOpen: true }),
  "1": () => goToRegion("probes"),
  "2": () => goToRegion("processes"),
  "3": () => goToRegion("snapshots"),
};

export function onKey(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  const { isHelpOpen, tokenWanted } = getState();
  const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
  if (event.defaultPrevented || hasModifier || isHelpOpen || tokenWanted !== "no") {
    return;
  }
  if (event.key === "Escape") {
    escapeKey(target);
    return;
  }
  const action = ACTIONS[event.key];
  if (action !== undefined && !/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) {
    event.preventDefault();
    action();
  }
}
