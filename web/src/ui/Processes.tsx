// SPDX-License-Identifier: Apache-2.0
import { escape } from "../escape";
import { plural, span } from "../format";
import { ailments, byHealth, isUnwell } from "../health";
import { useSelect } from "../store";
import type { Process } from "../types";
import { NoProcesses } from "./Empty";
import { Glyph } from "./Glyph";
import { Uploads } from "./Uploads";

function nameOf(process: Process): string {
  return [process.service || "(no service)", process.env].filter((name) => name !== "").join("/");
}

function ProcessRow({ process, nowMs }: { process: Process; nowMs: number }) {
  const shape = !process.connected ? "gone" : isUnwell(process) ? "warning" : "connected";
  const runtime = `${process.language} ${process.runtime_version}`;
  const seenMs = nowMs - process.seen_at_ns / 1e6;
  return (
    <li class={process.connected ? "process" : "process dim"}>
      <div class="line">
        <Glyph shape={shape} />
        <span class="name">
          {escape(nameOf(process))}
          {process.version !== "" && <span class="dim"> {escape(process.version)}</span>}
        </span>
        <code class="end" title={`${process.pid}@${escape(process.host)}`}>
          {process.pid}
          <span class="dim">@{escape(process.host)}</span>
        </code>
      </div>
      <div class="line below dim">
        <span>
          {escape(runtime)}
          {process.connected && `, seen ${span(seenMs)} ago`}
        </span>
        <span class="end" title={`${plural(process.probes, "probe")} armed`}>
          {process.probes} armed
        </span>
      </div>
      {ailments(process, nowMs).map((text) => (
        <div class={process.connected ? "below warn" : "below"}>{escape(text)}</div>
      ))}
    </li>
  );
}

export function Processes() {
  const processes = useSelect((state) => state.processes);
  const clockAheadMs = useSelect((state) => state.clockAheadMs);
  const nowMs = Date.now() + clockAheadMs; // drawn anew with every answer
  const connected = processes?.filter((process) => process.connected).length ?? 0;
  return (
    <section class="processes" id="processes" tabIndex={0} aria-labelledby="processes-title">
      <h2 id="processes-title">
        Processes <span class="dim">{processes !== null && connected}</span>
      </h2>
      {processes?.length === 0 && <NoProcesses />}
      <ul>
        {byHealth(processes ?? []).map((process) => (
          <ProcessRow key={process.instance_id} process={process} nowMs={nowMs} />
        ))}
      </ul>
      <Uploads processes={processes ?? []} nowMs={nowMs} />
    </section>
  );
}
