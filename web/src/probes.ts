// SPDX-License-Identifier: Apache-2.0
//
// How the processes took a probe, summed up for a person.
import type { Definition, Instance, Probe, Process, Status } from "./types";

export type State = Status | "gone" | "unheard";

/** In the order in which states are listed: an error first, else what works. */
export const STATES: State[] = [
  "error",
  "emitting",
  "installed",
  "received",
  "unheard",
  "pending",
  "gone",
];

export interface InstanceRow {
  id: string;
  process: Process | null; // null: forgotten by the collector meanwhile
  state: State;
  report: Instance | null; // null: it has not said anything of this probe
}

export interface Problem {
  state: State;
  cause: string;
  message: string;
  nearest: number[];
  count: number;
}

function concerns(probe: Probe, process: Process): boolean {
  return (
    (probe.service === "" || probe.service === process.service) &&
    (probe.env === "" || probe.env === process.env)
  );
}

/** A report on an older revision says nothing of this one: it is on its way. */
function stateOf(probe: Probe, report: Instance, process: Process | null): State {
  if (process !== null && !process.connected) {
    return "gone";
  }
  return report.revision < probe.revision ? "received" : report.status;
}

/** One row per process that the probe concerns: those that reported, and those that have yet to. */
export function instanceRows(probe: Probe, processes: Process[]): InstanceRow[] {
  const byId = new Map(processes.map((process) => [process.instance_id, process]));
  const rows: InstanceRow[] = probe.instances.map((report) => {
    const process = byId.get(report.instance_id) ?? null;
    return { id: report.instance_id, process, state: stateOf(probe, report, process), report };
  });
  const heard = new Set(rows.map((row) => row.id));
  for (const process of processes) {
    if (process.connected && !heard.has(process.instance_id) && concerns(probe, process)) {
      rows.push({ id: process.instance_id, process, state: "unheard", report: null });
    }
  }
  return rows.sort(
    (a, b) =>
      STATES.indexOf(a.state) - STATES.indexOf(b.state) ||
      (a.process?.pid ?? 0) - (b.process?.pid ?? 0),
  );
}

export function tally(rows: InstanceRow[]): { state: State; count: number }[] {
  return STATES.map((state) => ({
    state,
    count: rows.filter((row) => row.state === state).length,
  })).filter(({ count }) => count > 0);
}

export function isSetSomewhere(rows: InstanceRow[]): boolean {
  return rows.some(({ state }) => state === "installed" || state === "emitting");
}

/**
 * The causes that processes gave, each once: twenty workers say the same. Where the probe sits in
 * one process, that others wait for its code is as it should be (gunicorn's master never loads the
 * application), and no problem.
 */
export function problems(rows: InstanceRow[]): Problem[] {
  const found = new Map<string, Problem>();
  const isSet = isSetSomewhere(rows);
  for (const { report, state } of rows) {
    const isExpected = state === "pending" && isSet;
    const isOld = state === "gone" || state === "received";
    if (report === null || report.cause === "" || isOld || isExpected) {
      continue;
    }
    const { cause, message, nearest_lines: nearest } = report;
    const key = JSON.stringify([cause, message, nearest]);
    const known = found.get(key);
    if (known === undefined) {
      found.set(key, { state, cause, message, nearest, count: 1 });
    } else {
      known.count++;
    }
  }
  return [...found.values()];
}

export function sums(probe: Probe): { hits: number; captured: number } {
  return probe.instances.reduce(
    (sum, report) => ({ hits: sum.hits + report.hits, captured: sum.captured + report.captured }),
    { hits: 0, captured: 0 },
  );
}

/** The probe as it would be given again: its id makes it the next revision. */
export function definitionOf(probe: Probe): Definition {
  return {
    id: probe.id,
    location: probe.location,
    at: probe.at,
    service: probe.service,
    env: probe.env,
    limits: probe.limits,
    rate: probe.rate,
    hit_limit: probe.hit_limit,
    expires_at_ns: probe.expires_at_ns,
    capture: probe.capture,
    ...(probe.source_hash === undefined || probe.source_hash === "" ? {} : { source_hash: probe.source_hash }),
    ...(probe.tags === undefined ? {} : { tags: probe.tags }),
  };
}

export function atLine(location: string, line: number): string {
  return location.replace(/\d+$/, String(line));
}

/** Why the list is empty although the probe is set, in one sentence. */
export function whyNothing(probe: Probe, rows: InstanceRow[]): string {
  const present = rows.filter((row) => row.state !== "gone");
  const { hits, captured } = sums(probe);
  const has = (state: State) => present.some((row) => row.state === state);
  if (present.length === 0) {
    const where = [probe.service, probe.env].filter((name) => name !== "").join("/");
    return where === ""
      ? "No process is connected. The probe is set in each that comes."
      : `No process of ${where} is connected. The probe is set in each that comes.`;
  }
  if (has("emitting") || has("installed")) {
    if (hits === 0) {
      return "It is installed, and the code has not run yet: waiting for traffic.";
    }
    return captured === 0
      ? "The code has run, but nothing was captured: the breakdown of the probe says why."
      : "Snapshots were taken; they are on their way, or older than what the collector keeps.";
  }
  if (has("pending")) {
    return "Its code is not loaded yet. It is installed the moment it is.";
  }
  return has("error")
    ? "No process could set it; the cause stands beside the probe."
    : "The processes have not answered yet.";
}
