// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { clockTime, plural } from "../format";
import { isUnwell } from "../health";
import { nudge } from "../nudge";
import type { Link, Region } from "../state";
import { dispatch, useSelect } from "../store";
import { Glyph } from "./Glyph";
import { goToRegion, startForm } from "./keys";

function useNow(isTicking: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isTicking) {
      return undefined;
    }
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [isTicking]);
  return now;
}

function LinkState({ link }: { link: Link }) {
  const now = useNow(link.state === "lost");
  if (link.state === "lost") {
    const seconds = Math.max(0, Math.ceil((link.retryAtMs - now) / 1000));
    return (
      <span class="link lost">
        <Glyph shape="warning" />
        <span>
          <span role="status">
            No answer from the collector since {clockTime(link.sinceMs * 1e6, now).slice(0, 8)}.
          </span>{" "}
          <span class="more">
            {seconds > 0 ? `Next try in ${seconds} s.` : "Trying."} What comes meanwhile is fetched
            afterwards.
          </span>
        </span>
        <button type="button" onClick={nudge}>
          Try now
        </button>
      </span>
    );
  }
  const isLive = link.state === "live";
  return (
    <span class="link" role="status">
      <Glyph shape={isLive ? "connected" : "received"} />
      {link.state}
    </span>
  );
}

function Tab({ region, label, note }: { region: Region; label: string; note: string }) {
  const isShown = useSelect((state) => state.region === region);
  return (
    <button type="button" aria-current={isShown ? "true" : undefined} onClick={() => goToRegion(region)}>
      {label} <span class="dim">{note}</span>
    </button>
  );
}

export function Header() {
  const link = useSelect((state) => state.link);
  const processes = useSelect((state) => state.processes) ?? [];
  const probeCount = useSelect((state) => state.probes?.length ?? 0);
  const snapshotCount = useSelect((state) => state.list.items.length);
  const connected = processes.filter((process) => process.connected).length;
  const unwell = processes.filter(isUnwell).length;
  const gone = processes.length - connected;
  return (
    <header>
      <h1>Sonde</h1>
      <LinkState link={link} />
      <span class="health">
        {plural(connected, "process")} connected
        {gone > 0 && <span class="dim">, {gone} gone</span>}
        {unwell > 0 && (
          <button type="button" class="quiet warn" onClick={() => goToRegion("processes")}>
            <Glyph shape="warning" /> {unwell} to look at
          </button>
        )}
      </span>
      <button type="button" id="new-probe" class="primary" onClick={() => startForm()}>
        New probe <kbd>n</kbd>
      </button>
      <button
        type="button"
        class="quiet"
        aria-label="Help"
        onClick={() => dispatch({ type: "help", isOpen: true })}
      >
        <kbd>?</kbd>
      </button>
      <nav aria-label="Regions">
        <Tab region="probes" label="Probes" note={String(probeCount)} />
        <Tab region="processes" label="Processes" note={unwell > 0 ? `${connected} (${unwell}!)` : String(connected)} />
        <Tab region="snapshots" label="Snapshots" note={String(snapshotCount)} />
      </nav>
    </header>
  );
}
