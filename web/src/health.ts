// SPDX-License-Identifier: Apache-2.0
//
// What of a process a person should look at.
import { countsText, span, total } from "./format";
import type { Process } from "./types";

/** In words, worst first; none: it is well. */
export function ailments(process: Process, nowMs: number): string[] {
  const out: string[] = [];
  if (!process.connected) {
    out.push(`gone, last heard of ${span(nowMs - process.seen_at_ns / 1e6)} ago`);
  }
  for (const { part, message, count } of process.disarmed) {
    out.push(`${part} switched itself off: ${message}${count > 1 ? ` (${count} times)` : ""}`);
  }
  if (total(process.dropped) > 0) {
    out.push(`lost records: ${countsText(process.dropped)}`);
  }
  return out;
}

/** Part of its agent is off, or records were lost. One that is gone needs nothing any more. */
export function isUnwell(process: Process): boolean {
  return process.connected && (process.disarmed.length > 0 || total(process.dropped) > 0);
}

/** What needs a look comes first, then by name; the gone come last. */
export function byHealth(processes: Process[]): Process[] {
  const rank = (process: Process) => (!process.connected ? 2 : isUnwell(process) ? 0 : 1);
  return [...processes].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      a.service.localeCompare(b.service) ||
      a.env.localeCompare(b.env) ||
      a.host.localeCompare(b.host) ||
      a.pid - b.pid,
  );
}
