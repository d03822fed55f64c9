// SPDX-License-Identifier: Apache-2.0
//
// The live stream. When it breaks it is opened again, and what came meanwhile is fetched: the
// stream is open before that is asked for, so that nothing falls between the two, and the list
// takes each snapshot once. So it is too when it was closed because nobody looked.
import { bodies, noteRefusal, say, takeSnapshots } from "./actions";
import { listSnapshots, openTail } from "./api";
import { backoffMs } from "./backoff";
import { summarize } from "./list";
import { nudge, pauseFor } from "./nudge";
import { isResting, onRest } from "./rest";
import { soundSnapshot } from "./sound";
import { readEvents, type StreamEvent } from "./sse";
import { dispatch, getState } from "./store";
import type { Snapshot } from "./types";

const SILENCE_MS = 40_000; // the collector says something every 15 s
const BATCH_MS = 100; // a burst is drawn ten times a second, not once per snapshot
const PAGE_COUNT = 200;
const PAGES_MOST = 50;
const LATE_NS = 30e9; // agents deliver late, each at its own pace

let batch: Snapshot[] = [];

function flush(): void {
  const taken = batch;
  batch = [];
  takeSnapshots(taken);
}

function take(snapshot: Snapshot): void {
  if (batch.length === 0) {
    setTimeout(flush, BATCH_MS);
  }
  batch.push(snapshot);
}

/** The time of the newest snapshot that is known; null when there is none yet. */
function newestNs(): number | null {
  const { items, waiting } = getState().list;
  const times = [items[0]?.ns, waiting[0]?.ns].filter((ns) => ns !== undefined);
  return times.length === 0 ? null : Math.max(...times);
}

/** Everything newer than `sinceNs`; the newest page when nothing is known yet. */
async function catchUp(sinceNs: number | null): Promise<void> {
  let before: string | undefined;
  for (let page = 0; page < PAGES_MOST; page++) {
    const query = before === undefined ? { limit: PAGE_COUNT } : { limit: PAGE_COUNT, before };
    const snapshots = await listSnapshots(query);
    // The last to be put are kept longest: the newest.
    [...snapshots].reverse().forEach((snapshot) => bodies.put(snapshot));
    dispatch({ type: "snapshots", batch: snapshots.map(summarize) });
    const oldest = snapshots[snapshots.length - 1];
    const isMet = sinceNs === null || (oldest?.timestamp_ns ?? 0) < sinceNs - LATE_NS;
    if (oldest === undefined || snapshots.length < PAGE_COUNT || isMet) {
      return;
    }
    before = oldest.id;
  }
}

/** One catch-up at a time; asked for again meanwhile, another follows. */
class CatchUp {
  private isRunning = false;
  private wanted: { sinceNs: number | null } | null = null;

  constructor(
    private readonly onDone: () => void,
    private readonly onFailure: () => void,
  ) {}

  start(sinceNs: number | null): void {
    this.wanted = { sinceNs };
    if (!this.isRunning) {
      void this.run();
    }
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    try {
      while (this.wanted !== null) {
        const { sinceNs } = this.wanted;
        this.wanted = null;
        await catchUp(sinceNs);
      }
      this.onDone();
    } catch (error) {
      noteRefusal(error);
      this.onFailure();
    }
    this.isRunning = false;
  }
}

/** Reads one stream to its end, whatever ends it. Returns whether it had begun. */
async function readTail(): Promise<boolean> {
  const wasLost = getState().link.state === "lost";
  const abort = new AbortController();
  const stayAwake = onRest(() => abort.abort());
  const sinceNs = newestNs();
  let silence = setTimeout(() => abort.abort(), SILENCE_MS);
  const onCaughtUp = () => {
    if (wasLost) {
      say("The collector is back, and the list is complete again.");
    }
  };
  const catching = new CatchUp(onCaughtUp, () => abort.abort());
  const onEvent = (event: StreamEvent) => {
    if (event.type === "snapshot") {
      take(soundSnapshot(JSON.parse(event.data) as Snapshot));
    } else if (event.type === "lagged") {
      catching.start(newestNs());
    }
  };
  let hasBegun = false;
  try {
    const body = await openTail(abort.signal);
    hasBegun = true;
    dispatch({ type: "link", link: { state: "live" } });
    nudge(); // processes and probes, too
    catching.start(sinceNs);
    await readEvents(body, onEvent, () => {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE_MS);
    });
  } catch (error) {
    noteRefusal(error); // else the collector is gone, or the stream broke: it is opened again
  }
  clearTimeout(silence);
  stayAwake();
  return hasBegun;
}

/** Until somebody looks again. */
async function rest(): Promise<void> {
  dispatch({ type: "link", link: { state: "resting" } });
  while (isResting()) {
    await pauseFor(null);
  }
  dispatch({ type: "link", link: { state: "connecting" } });
}

/** Goes on for as long as the page is there. */
export async function stayLive(): Promise<never> {
  let failures = 0;
  let lostAtMs = 0;
  for (;;) {
    if (isResting()) {
      await rest();
      failures = 0;
    }
    const hasBegun = await readTail();
    if (isResting()) {
      continue;
    }
    if (getState().tokenWanted !== "no") {
      await pauseFor(null);
      continue;
    }
    if (hasBegun || failures === 0) {
      failures = 0;
      lostAtMs = Date.now();
    }
    const waitMs = backoffMs(failures++, Math.random());
    dispatch({
      type: "link",
      link: { state: "lost", sinceMs: lostAtMs, retryAtMs: Date.now() + waitMs },
    });
    await pauseFor(waitMs);
  }
}
