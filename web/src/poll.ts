// SPDX-License-Identifier: Apache-2.0
//
// Processes and probes, asked for every two seconds while somebody looks.
import { changeCount, loadSymbolServices, noteRefusal } from "./actions";
import { listProbes, listProcesses } from "./api";
import { pauseFor } from "./nudge";
import { dispatch, getState } from "./store";

const EVERY_MS = 2000;
const SYMBOLS_EVERY = 5; // times

let polls = 0;

async function pollOnce(): Promise<void> {
  const changesBefore = changeCount();
  let clockAheadMs = getState().clockAheadMs;
  try {
    const [processes, probes] = await Promise.all([
      listProcesses((nowMs) => (clockAheadMs = nowMs - Date.now())),
      listProbes(),
    ]);
    dispatch({ type: "processes", processes, clockAheadMs });
    // What was asked for before a probe was set or removed would take that back on the screen.
    if (changesBefore === changeCount()) {
      dispatch({ type: "probes", probes });
    }
    if (polls++ % SYMBOLS_EVERY === 0) {
      await loadSymbolServices();
    }
  } catch (error) {
    noteRefusal(error); // what is shown stays; the live stream tells of a lost collector
  }
}

/** Goes on for as long as the page is there. */
export async function keepPolling(): Promise<never> {
  for (;;) {
    const isOff = document.hidden || getState().tokenWanted !== "no";
    if (!isOff) {
      await pollOnce();
    }
    await pauseFor(isOff ? null : EVERY_MS);
  }
}
