// SPDX-License-Identifier: Apache-2.0
//
// A snapshot's values, after the ARIA practices for tree views: one row has the tab stop, arrows
// move it, fold and unfold.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { escape } from "../escape";
import { foldingOf } from "../state";
import { dispatch, useSelect } from "../store";
import { treeKey, treeRows, type Row } from "../tree";
import type { Limits, Snapshot } from "../types";
import { markOf, memberCount, previewMembers, scalar } from "../value";
import { Escaped, Pieces } from "./Text";

const PREVIEW_COLUMNS = 120;

function Shown({ row }: { row: Row }) {
  const { value } = row;
  if (value === null) {
    return row.note === "" ? null : <span class="note">{row.note}</span>;
  }
  const shown = scalar(value);
  if (shown !== null) {
    return (
      <>
        <span class={`t-${shown.tone}`}>{shown.sigil}</span>
        <span class={`value t-${shown.tone}`}>
          {shown.quoting === null ? escape(shown.text) : <Escaped {...shown} quoting={shown.quoting} />}
        </span>
      </>
    );
  }
  if (memberCount(value) === null) {
    return null;
  }
  return row.isExpanded ? null : (
    <span class="value">
      <Pieces pieces={previewMembers(value, PREVIEW_COLUMNS)} />
    </span>
  );
}

/** A container's size, where it says more than its preview. */
function sizeOf(row: Row): string {
  const kept = row.value === null ? null : memberCount(row.value);
  return kept === null || row.value?.fields !== undefined ? "" : `(${row.value?.size ?? kept})`;
}

function isQuoted(row: Row): boolean {
  const quoting = row.value === null ? null : (scalar(row.value)?.quoting ?? null);
  return quoting === "quoted" || quoting === "bytes";
}

interface TreeRowProps {
  row: Row;
  limits: Limits | null;
  isFocus: boolean;
  onClick: () => void;
}

function TreeRow({ row, limits, isFocus, onClick }: TreeRowProps) {
  const mark = row.value === null ? null : markOf(row.value, limits);
  // Beside a text that is cut to one line, never cut with it.
  const marked = mark !== null && <span class={`mark ${mark.tone}`}>{mark.text}</span>;
  const classes = [row.kind, row.isExpanded ? "expanded" : "", isQuoted(row) ? "quoted" : ""];
  return (
    <div
      role="treeitem"
      class={`tree-row ${classes.join(" ")}`}
      data-path={row.path}
      tabIndex={isFocus ? 0 : -1}
      aria-level={row.level}
      aria-setsize={row.setSize}
      aria-posinset={row.position}
      aria-expanded={row.isExpandable ? row.isExpanded : undefined}
      style={{ "--level": row.level - 1 }}
      onClick={onClick}
    >
      <span class={row.isExpandable ? "toggle" : "toggle none"} aria-hidden="true" />
      <span class="what">
        <span class="name">
          <Pieces pieces={row.name.map((piece) => ({ ...piece, text: escape(piece.text) }))} />
        </span>{" "}
        {row.value?.type !== undefined && (
          <span class="type">
            {escape(row.value.type)}
            {sizeOf(row)}
          </span>
        )}{" "}
        <Shown row={row} /> {row.isExpanded && marked}
      </span>
      {!row.isExpanded && marked}
    </div>
  );
}

export function Tree({ snapshot }: { snapshot: Snapshot }) {
  const probeId = snapshot.probe_id;
  const folding = useSelect((state) => foldingOf(state, probeId));
  // Of the revision that took the snapshot; those of another one would be untrue.
  const limits = useSelect(
    (state) =>
      state.probes?.find(
        (probe) => probe.id === probeId && probe.revision === snapshot.probe_revision,
      )?.limits ?? null,
  );
  const [focused, setFocused] = useState("");
  const tree = useRef<HTMLDivElement>(null);
  const mustFocus = useRef(false);
  const rows = treeRows(snapshot, folding);
  const focusPath = rows.some((row) => row.path === focused) ? focused : (rows[0]?.path ?? "");

  useLayoutEffect(() => {
    if (mustFocus.current) {
      mustFocus.current = false;
      const row = tree.current?.querySelector<HTMLElement>("[tabindex='0']");
      row?.focus({ preventScroll: true });
      row?.scrollIntoView({ block: "nearest" });
    }
  });

  const act = (step: ReturnType<typeof treeKey>) => {
    mustFocus.current = true;
    if (step?.kind === "focus") {
      setFocused(step.path);
    } else if (step?.kind === "fold") {
      setFocused(step.path);
      dispatch({ type: "fold", probeId, path: step.path, isOpen: step.open });
    } else if (step?.kind === "more") {
      dispatch({ type: "show-more", probeId, path: step.path });
    }
  };
  const onKeyDown = (event: preact.JSX.TargetedKeyboardEvent<HTMLDivElement>) => {
    const step = treeKey(rows, focusPath, event.key);
    if (step !== null) {
      event.preventDefault();
      act(step);
    }
  };
  // A click that ends a selection of text is no click.
  const onClick = (row: Row) => () => {
    if (getSelection()?.isCollapsed !== false) {
      act(treeKey(rows, row.path, "Enter") ?? { kind: "focus", path: row.path });
    }
  };

  if (rows.length === 0) {
    return <p class="empty dim">No values were captured.</p>;
  }
  return (
    <div id="tree" class="tree" role="tree" aria-label="Captured values" ref={tree} onKeyDown={onKeyDown}>
      {rows.map((row) => (
        <TreeRow
          key={row.path}
          row={row}
          limits={limits}
          isFocus={row.path === focusPath}
          onClick={onClick(row)}
        />
      ))}
    </div>
  );
}
