// SPDX-License-Identifier: Apache-2.0
import { removeProbe } from "../actions";
import { useSelect } from "../store";
import { NoProbes } from "./Empty";
import { ProbeForm } from "./ProbeForm";
import { ProbeRow } from "./ProbeRow";
import { FOCUS, focusSoon } from "./focus";

/** Arrows go from probe to probe; Delete removes the one that has the focus. */
function useKeys() {
  const probes = useSelect((state) => state.probes) ?? [];
  return (event: preact.JSX.TargetedKeyboardEvent<HTMLElement>) => {
    const id = (event.target as HTMLElement)
      .closest(".probe-head")
      ?.closest("[data-probe]")
      ?.getAttribute("data-probe");
    const index = probes.findIndex((probe) => probe.id === id);
    const probe = probes[index];
    if (probe === undefined) {
      return;
    }
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const neighbour = by === 0 ? undefined : probes[index + by];
    if (neighbour !== undefined) {
      event.preventDefault();
      focusSoon(FOCUS.probe(neighbour.id));
    } else if (event.key === "Delete") {
      event.preventDefault();
      const next = probes[index + 1] ?? probes[index - 1];
      void removeProbe(probe).then(() =>
        focusSoon(next === undefined ? FOCUS.newProbe : FOCUS.probe(next.id)),
      );
    }
  };
}

export function Probes() {
  const probes = useSelect((state) => state.probes);
  const form = useSelect((state) => state.form);
  const onKeyDown = useKeys();
  return (
    <section class="probes" id="probes" aria-labelledby="probes-title" onKeyDown={onKeyDown}>
      <h2 id="probes-title">
        Probes <span class="dim">{probes?.length}</span>
      </h2>
      {form !== null && <ProbeForm key={form.changes?.id ?? form.location} form={form} />}
      {probes?.length === 0 && form === null && <NoProbes />}
      <ul>
        {probes?.map((probe) => (
          <ProbeRow key={probe.id} probe={probe} />
        ))}
      </ul>
    </section>
  );
}
