// SPDX-License-Identifier: Apache-2.0
import { useMemo } from "preact/hooks";
import { filtered } from "../list";
import { count } from "../format";
import { useSelect } from "../store";
import { NoSnapshots } from "./Empty";
import { Filters } from "./Filters";
import { SnapshotRows } from "./SnapshotRows";

/** The middle: filters, and the list or the reason why there is none. */
export function Snapshots() {
  const items = useSelect((state) => state.list.items);
  const filter = useSelect((state) => state.filter);
  const rows = useMemo(() => filtered(items, filter), [items, filter]);
  const isFiltered = rows.length < items.length;
  return (
    <section class="snapshots" aria-labelledby="snapshots-title">
      <div class="bar">
        <h2 id="snapshots-title">
          Snapshots{" "}
          <span class="dim">
            {count(rows.length)}
            {isFiltered && ` of ${count(items.length)}`}
          </span>
        </h2>
        <Filters />
      </div>
      {rows.length === 0 && <NoSnapshots isFiltered={isFiltered} />}
      <SnapshotRows rows={rows} />
    </section>
  );
}
