// SPDX-License-Identifier: Apache-2.0
//
// What stands where there is nothing yet: why, and what to do.
import { whyNothing, instanceRows } from "../probes";
import { dispatch, useSelect } from "../store";
import { startForm } from "./keys";

/** The collector is where this page comes from; the default needs no option. */
function serverOption(): string {
  const { origin } = location;
  return origin === "http://127.0.0.1:7077" ? "" : `--server ${origin} `;
}

export function NoProcesses() {
  return (
    <div class="empty">
      <p>No process yet. Start one with the agent in it; nothing in the application changes:</p>
      <pre>
        sonde run {serverOption()}--service shop -- python app.py{"\n"}
        sonde run {serverOption()}--service shop -- ruby app.rb
      </pre>
    </div>
  );
}

export function NoProbes() {
  return (
    <div class="empty">
      <p>
        No probe is set. Press <kbd>n</kbd> and type a part of a name, or a place; the running processes take it at
        once:
      </p>
      <ul>
        <li>
          <code>app/views.py:42</code> a line, Python
        </li>
        <li>
          <code>app/models/cart.rb:17</code> a line, Ruby
        </li>
        <li>
          <code>shop.cart:Cart.total</code> a function, Python
        </li>
        <li>
          <code>Shop::Cart#total</code> a method, Ruby; <code>Shop::Cart.load</code> a singleton's
        </li>
      </ul>
    </div>
  );
}

function Why() {
  const processes = useSelect((state) => state.processes) ?? [];
  const probes = useSelect((state) => state.probes) ?? [];
  const probeId = useSelect((state) => state.filter.probe);
  const shown = probes.filter((probe) => probeId === "" || probe.id === probeId).slice(0, 5);
  if (processes.length === 0) {
    return <p>No process is connected: there is nothing that a probe could look into.</p>;
  }
  if (probes.length === 0) {
    return (
      <p>
        No probe is set.{" "}
        <button type="button" onClick={() => startForm()}>
          Set one
        </button>
      </p>
    );
  }
  return (
    <ul>
      {shown.map((probe) => (
        <li>
          <code>{probe.location}</code>
          <br />
          {whyNothing(probe, instanceRows(probe, processes))}
        </li>
      ))}
    </ul>
  );
}

/** In place of the list. `isFiltered`: there are snapshots, but none that match. */
export function NoSnapshots({ isFiltered }: { isFiltered: boolean }) {
  const text = useSelect((state) => state.filter.text);
  const isPaused = useSelect((state) => state.list.isPaused);
  const isLoadingOlder = useSelect((state) => state.list.isLoadingOlder);
  const reset = () => dispatch({ type: "filter", filter: { service: "", probe: "", text: "" } });
  return (
    <div class="empty">
      <h3>{isFiltered ? "No snapshot matches" : "No snapshots yet"}</h3>
      {isPaused && <p>The list is paused.</p>}
      {isLoadingOlder && <p>Looking through older ones.</p>}
      {text === "" && <Why />}
      {isFiltered && (
        <p>
          <button type="button" onClick={reset}>
            Show all
          </button>
        </p>
      )}
    </div>
  );
}
