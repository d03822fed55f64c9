// SPDX-License-Identifier: Apache-2.0
//
// What each service has uploaded of its symbols, and the switch for it.
import { switchSymbols } from "../actions";
import { escape } from "../escape";
import { count, span } from "../format";
import { useSelect } from "../store";
import { uploadState, type SymbolService } from "../symbols";
import type { Process } from "../types";

function amountOf({ symbols, files, userFiles }: SymbolService): string {
  return symbols === 0 ? "no symbols yet" : `${count(symbols)} names, ${count(userFiles)} own of ${count(files)} files`;
}

function Upload({ one, processes, nowMs }: { one: SymbolService; processes: Process[]; nowMs: number }) {
  const { service, upload, seenAtNs } = one;
  const { text, faults } = uploadState(service, processes);
  const name = escape(service || "(no service)");
  const onChange = (event: preact.JSX.TargetedEvent<HTMLSelectElement>) =>
    void switchSymbols(service, event.currentTarget.value as SymbolService["upload"], false);
  return (
    <li class="upload" data-service={service}>
      <div class="line">
        <span class="name">{name}</span>
        <select class="end" aria-label={`Upload of the symbols of ${name}`} value={upload} onChange={onChange}>
          <option value="default">as configured</option>
          <option value="on">on</option>
          <option value="off">off</option>
        </select>
        <button
          type="button"
          aria-label={`Upload the symbols of ${name} now`}
          title="Ask the processes for everything anew"
          disabled={upload === "off"}
          onClick={() => void switchSymbols(service, upload, true)}
        >
          now
        </button>
      </div>
      <div class="dim">
        {amountOf(one)}
        {seenAtNs > 0 && `, ${span(nowMs - seenAtNs / 1e6)} ago`}
        {text !== "" && `; ${text}`}
      </div>
      {faults.map((fault) => (
        <div class="warn">{escape(fault)}</div>
      ))}
    </li>
  );
}

export function Uploads({ processes, nowMs }: { processes: Process[]; nowMs: number }) {
  const services = useSelect((state) => state.symbolServices);
  if (services.length === 0) {
    return null;
  }
  return (
    <>
      <h3 class="uploads">Symbols</h3>
      <ul>
        {services.map((one) => (
          <Upload key={one.service} one={one} processes={processes} nowMs={nowMs} />
        ))}
      </ul>
    </>
  );
}
