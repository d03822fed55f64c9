// SPDX-License-Identifier: Apache-2.0
import { closeSnapshot, navigate } from "../actions";
import { escape } from "../escape";
import { ending, fullTime, placeOf } from "../format";
import { useSelect } from "../store";
import type { Snapshot } from "../types";
import { FOCUS, focusSoon } from "./focus";
import { Stack } from "./Stack";
import { Copyable, Place } from "./Text";
import { Tree } from "./Tree";

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Facts({ snapshot }: { snapshot: Snapshot }) {
  const { runtime, thread, trace } = snapshot;
  const probe = useSelect((state) => state.probes?.find((other) => other.id === snapshot.probe_id));
  const process = useSelect((state) =>
    state.processes?.find((other) => other.instance_id === runtime.instance_id),
  );
  const where = [snapshot.service, snapshot.env].filter(Boolean).join("/");
  const toProbe = (event: Event) => {
    event.preventDefault();
    void navigate({ kind: "probe", id: snapshot.probe_id });
    focusSoon(FOCUS.probe(snapshot.probe_id));
  };
  return (
    <dl class="facts">
      <Fact name="Time">
        <time>{fullTime(snapshot.timestamp_ns)}</time>
        {ending(snapshot) !== "" && <span class="took"> {ending(snapshot)}</span>}
      </Fact>
      <Fact name="Process">
        {escape(where)} <code>{runtime.pid}</code>
        {process !== undefined && <span class="dim">@{escape(process.host)}</span>}{" "}
        <span class="dim">
          {escape(runtime.language)} {escape(runtime.version)}
        </span>
      </Fact>
      <Fact name="Thread">
        {escape(thread.name)} <span class="dim">{thread.id}</span>
      </Fact>
      <Fact name="Probe">
        {probe === undefined ? (
          <>
            <code>{escape(snapshot.probe_id)}</code> <span class="dim">removed</span>
          </>
        ) : (
          <a href={`#/probe/${encodeURIComponent(probe.id)}`} onClick={toProbe}>
            <code>{probe.id}</code>
          </a>
        )}{" "}
        <span class="dim">revision {snapshot.probe_revision}</span>
      </Fact>
      {trace !== null && (
        <Fact name="Trace">
          <Copyable text={trace.trace_id} what="the trace id" />
        </Fact>
      )}
      <Fact name="Snapshot">
        <Copyable text={snapshot.id} what="the snapshot's id" />
      </Fact>
    </dl>
  );
}

function Body({ snapshot }: { snapshot: Snapshot }) {
  const throwable = snapshot.captures?.return?.throwable;
  return (
    <>
      <Facts snapshot={snapshot} />
      <Tree snapshot={snapshot} />
      {throwable?.stack !== undefined && <Stack title="Raised at" frames={throwable.stack} service={snapshot.service} />}
      {snapshot.stack !== undefined && (
        <Stack
          title="Stack"
          frames={snapshot.stack}
          service={snapshot.service}
          isCut={snapshot.stack_truncated === true}
        />
      )}
    </>
  );
}

/** The selected snapshot. */
export function Detail() {
  const opened = useSelect((state) => state.opened);
  if (opened === null) {
    return null;
  }
  const { snapshot, error } = opened;
  const close = () => {
    closeSnapshot();
    focusSoon(FOCUS.list);
  };
  return (
    <section class="detail" aria-labelledby="detail-title">
      <div class="bar">
        <h2 id="detail-title">{snapshot === null ? "Snapshot" : escape(snapshot.location.function)}</h2>
        {snapshot !== null && <Place place={placeOf(snapshot.location)} />}
        <button type="button" class="quiet close" onClick={close}>
          Close <kbd>Esc</kbd>
        </button>
      </div>
      <div class="body" tabIndex={-1}>
        {snapshot !== null && <Body snapshot={snapshot} />}
        {snapshot === null && (
          <p class={error === "" ? "empty dim" : "empty fault"} role="status">
            {error === "" ? "Loading." : `It can not be shown: ${error}`}
          </p>
        )}
      </div>
    </section>
  );
}
