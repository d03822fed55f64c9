// SPDX-License-Identifier: Apache-2.0
import { moveProbe, removeProbe, toggleProbe } from "../actions";
import { escape } from "../escape";
import { count, countsText, plural } from "../format";
import { instanceRows, isSetSomewhere, problems, sums, tally, type InstanceRow, type Problem, type State } from "../probes";
import { dispatch, useSelect } from "../store";
import type { Probe, Process } from "../types";
import { FOCUS, focusSoon } from "./focus";
import { Glyph } from "./Glyph";
import { ProbeFacts } from "./ProbeFacts";
import { Place } from "./Text";

const NONE: Process[] = [];

const WORDS: Record<State, string> = {
  error: "error",
  pending: "pending",
  received: "received",
  unheard: "not answered",
  installed: "installed",
  emitting: "emitting",
  gone: "gone",
};

function Tally({ rows }: { rows: InstanceRow[] }) {
  const states = tally(rows);
  if (states.length === 0) {
    return <span class="dim">no process matches yet</span>;
  }
  return (
    <>
      {states.map(({ state, count: n }) => (
        <span class={`state ${state}`}>
          <Glyph shape={state} />
          {n} {WORDS[state]}
        </span>
      ))}
    </>
  );
}

/** A cause, in how many processes, and the lines that would do. */
function ProblemRow({ probe, problem }: { probe: Probe; problem: Problem }) {
  const { state, cause, message, nearest, count: n } = problem;
  return (
    <div class={`problem ${state}`}>
      <code class="cause">{escape(cause)}</code>
      {n > 1 && <span class="dim"> in {plural(n, "process")}</span>}
      <div>{escape(message)}</div>
      {nearest.length > 0 && (
        <div class="nearest">
          Nearest lines:{" "}
          {[...nearest]
            .sort((a, b) => a - b)
            .map((line) => (
              <button
                type="button"
                aria-label={`Move the probe to line ${line}`}
                onClick={() => void moveProbe(probe, line)}
              >
                {line}
              </button>
            ))}
        </div>
      )}
    </div>
  );
}

function InstanceLine({ row }: { row: InstanceRow }) {
  const { process, report, state } = row;
  const where = process === null ? row.id.slice(0, 8) : `${process.pid}@${process.host}`;
  const service = process === null ? "" : [process.service, process.env].filter(Boolean).join("/");
  const dropped = countsText(report?.dropped ?? {});
  return (
    <li>
      <div class="line">
        <span class={`state ${state}`}>
          <Glyph shape={state} />
          {WORDS[state]}
        </span>
        <span class="dim name">{escape(service)}</span>
        <code class="end" title={escape(where)}>
          {escape(where)}
        </code>
      </div>
      {report !== null && (
        <div class="below dim">
          {plural(report.hits, "hit")}, {count(report.captured)} captured
          {report.places > 1 && `, in ${report.places} places`}
          {dropped !== "" && <span class="warn">, not captured: {escape(dropped)}</span>}
          {report.cause !== "" && `, ${escape(report.cause)}`}
        </div>
      )}
    </li>
  );
}

function Unfolded({ probe, rows }: { probe: Probe; rows: InstanceRow[] }) {
  const change = () => {
    dispatch({ type: "form", form: { changes: probe, location: probe.location, service: "" } });
    focusSoon(FOCUS.location);
  };
  return (
    <div class="unfolded" id={`probe-${probe.id}`}>
      <ul class="instances">
        {rows.map((row) => (
          <InstanceLine key={row.id} row={row} />
        ))}
      </ul>
      <ProbeFacts probe={probe} />
      <div class="buttons">
        <button type="button" onClick={change}>
          Change
        </button>
        <button type="button" onClick={() => void removeProbe(probe).then(() => focusSoon(FOCUS.newProbe))}>
          Remove
        </button>
      </div>
    </div>
  );
}

export function ProbeRow({ probe }: { probe: Probe }) {
  const processes = useSelect((state) => state.processes) ?? NONE;
  const isUnfolded = useSelect((state) => state.unfolded.has(probe.id));
  const isShown = useSelect((state) => state.filter.probe === probe.id);
  const rows = instanceRows(probe, processes);
  const { hits, captured } = sums(probe);
  return (
    <li class="probe" data-probe={probe.id} data-shown={isShown}>
      <button
        type="button"
        class="probe-head"
        aria-expanded={isUnfolded}
        aria-controls={isUnfolded ? `probe-${probe.id}` : undefined}
        onClick={() => toggleProbe(probe.id)}
      >
        <span class="line">
          <Place place={probe.location} />
          <span class="end dim">{probe.at === "line" ? "" : probe.at}</span>
        </span>
        <span class="line">
          <span class={isSetSomewhere(rows) ? "states set" : "states"}>
            <Tally rows={rows} />
          </span>
          <span class="end dim" title={`${count(captured)} snapshots of ${plural(hits, "hit")}`}>
            {hits === 0 ? "no hits" : `${count(captured)} of ${plural(hits, "hit")}`}
          </span>
        </span>
      </button>
      {problems(rows).map((problem) => (
        <ProblemRow key={problem.cause + problem.message} probe={probe} problem={problem} />
      ))}
      {probe.clamped !== undefined && <div class="problem pending">clamped: {escape(probe.clamped)}</div>}
      {isUnfolded && <Unfolded probe={probe} rows={rows} />}
    </li>
  );
}
