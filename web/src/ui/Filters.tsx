// SPDX-License-Identifier: Apache-2.0
import { useMemo } from "preact/hooks";
import { count } from "../format";
import { dispatch, useSelect } from "../store";

interface Choice {
  value: string;
  label: string;
}

function Select(props: { label: string; all: string; value: string; choices: Choice[]; onChange: (value: string) => void }) {
  const { label, all, value, choices, onChange } = props;
  const isListed = value === "" || choices.some((choice) => choice.value === value);
  return (
    <select aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      <option value="">{all}</option>
      {!isListed && <option value={value}>{value}</option>}
      {choices.map((choice) => (
        <option value={choice.value}>{choice.label}</option>
      ))}
    </select>
  );
}

/** Services of the processes that are there, and of snapshots whose process is gone. */
function useServices(): Choice[] {
  const processes = useSelect((state) => state.processes);
  const items = useSelect((state) => state.list.items);
  return useMemo(() => {
    const names = new Set((processes ?? []).map((process) => process.service));
    items.forEach((item) => names.add(item.service));
    return [...names].filter((name) => name !== "").sort().map((name) => ({ value: name, label: name }));
  }, [processes, items]);
}

function PauseButton() {
  const isPaused = useSelect((state) => state.list.isPaused);
  const waiting = useSelect((state) => state.list.waiting.length);
  const onClick = () => dispatch({ type: "pause", isPaused: !isPaused });
  return (
    <button type="button" class={isPaused ? "pause primary" : "pause"} onClick={onClick}>
      {isPaused ? `Go on, ${count(waiting)} waiting` : "Pause"} <kbd>p</kbd>
    </button>
  );
}

export function Filters() {
  const filter = useSelect((state) => state.filter);
  const probes = useSelect((state) => state.probes) ?? [];
  const set = (part: Partial<typeof filter>) => dispatch({ type: "filter", filter: part });
  const choices = probes.map(({ id, location }) => ({
    value: id,
    label: location.length > 40 ? `…${location.slice(-39)}` : location,
  }));
  return (
    <div class="filters" role="search" aria-label="Filter the snapshots">
      <Select
        label="Service"
        all="all services"
        value={filter.service}
        choices={useServices()}
        onChange={(service) => set({ service })}
      />
      <Select
        label="Probe"
        all="all probes"
        value={filter.probe}
        choices={choices}
        onChange={(probe) => set({ probe })}
      />
      <input
        id="filter-text"
        type="search"
        aria-label="Text"
        placeholder="search  /"
        value={filter.text}
        onInput={(event) => set({ text: event.currentTarget.value })}
      />
      <PauseButton />
    </div>
  );
}
