// SPDX-License-Identifier: Apache-2.0
//
// A file's scopes and their lines, after the ARIA practices for tree views, drawn as far as seen.
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { escape } from "../escape";
import type { Source } from "../files";
import { outlineKey, outlineRows, signature, type OutlineRow } from "../outline";
import { Kind } from "./Kind";
import { useRows } from "./useRows";

const ROW_HEIGHT = 22;

function isNamed({ scope, line }: OutlineRow): boolean {
  return line === 0 && scope.qualified !== "" && (scope.type === "FUNCTION" || scope.type === "METHOD");
}

function span({ first, last }: { first: number; last: number }): string {
  return first === 0 ? "" : last > first ? `${first}–${last}` : String(first);
}

interface ItemProps {
  row: OutlineRow;
  isFocus: boolean;
  isCursor: boolean;
  onClick: () => void;
  onPick: () => void;
}

function Item({ row, isFocus, isCursor, onClick, onPick }: ItemProps) {
  const { scope, line } = row;
  const pick = (event: MouseEvent) => {
    event.stopPropagation();
    onPick();
  };
  return (
    <div
      id={`outline-${row.key}`}
      class={`outline-row ${line > 0 ? "takes" : ""} ${row.isExpanded ? "expanded" : ""} ${isCursor ? "cursor" : ""}`}
      role="treeitem"
      tabIndex={isFocus ? 0 : -1}
      data-line={line > 0 ? line : undefined}
      aria-level={row.level}
      aria-setsize={row.setSize}
      aria-posinset={row.position}
      aria-expanded={row.isExpandable ? row.isExpanded : undefined}
      aria-selected={isCursor}
      style={{ "--level": row.level - 1 }}
      onClick={onClick}
    >
      <span class={row.isExpandable ? "toggle" : "toggle none"} aria-hidden="true" />
      {line > 0 ? (
        <>
          <span class="dot" aria-hidden="true" />
          <span>line {line}</span>
        </>
      ) : (
        <>
          <Kind type={scope.type} />
          <span class="outline-name">
            {escape(scope.name || "(no name)")}
            <span class="dim">{escape(signature(scope))}</span>
          </span>
          {isNamed(row) && (
            // For the mouse; the keyboard has Enter.
            <span class="outline-pick" aria-hidden="true" onClick={pick}>
              probe
            </span>
          )}
          <span class="outline-lines dim">{span(scope)}</span>
        </>
      )}
    </div>
  );
}

interface OutlineProps {
  source: Source;
  line: number;
  onLine: (line: number) => void;
  onFunction: (location: string) => void;
}

export function Outline({ source, line, onLine, onFunction }: OutlineProps) {
  const [folded, setFolded] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [focused, setFocused] = useState("");
  const all = useMemo(() => outlineRows(source.map.roots, folded), [source, folded]);
  const rows = useRows(all.length, ROW_HEIGHT);
  const mustFocus = useRef(false);
  const at = Math.max(0, all.findIndex((row) => row.key === focused));
  // The innermost scope that is drawn around the line that was asked for.
  const around = useMemo(() => {
    const scopes = source.map.scopesAt(line);
    const deepest = (row: OutlineRow) => (row.line > 0 ? (row.line === line ? 1000 : -1) : scopes.indexOf(row.scope));
    return all.reduce((best, row, i) => (deepest(row) > (best < 0 ? -1 : deepest(all[best] as OutlineRow)) ? i : best), -1);
  }, [all, line]);
  useLayoutEffect(() => {
    if (around >= 0) {
      rows.showInside(around);
      setFocused(all[around]?.key ?? "");
    }
  }, [source]);
  useLayoutEffect(() => {
    if (mustFocus.current) {
      mustFocus.current = false;
      rows.box.current?.querySelector<HTMLElement>("[tabindex='0']")?.focus({ preventScroll: true });
    }
  });
  const fold = (row: OutlineRow, isOpen: boolean) => setFolded(new Map(folded).set(row.key, isOpen));
  const pick = (row: OutlineRow) => {
    if (row.line > 0) {
      onLine(row.line);
    } else if (isNamed(row)) {
      onFunction(row.scope.qualified);
    } else if (row.isExpandable) {
      fold(row, !row.isExpanded);
    }
  };
  const onKeyDown = (event: preact.JSX.TargetedKeyboardEvent<HTMLDivElement>) => {
    const step = outlineKey(all, at, event.key, rows.page);
    const row = step === null ? undefined : all[step.index];
    if (step === null || row === undefined) {
      return;
    }
    event.preventDefault();
    setFocused(row.key);
    mustFocus.current = step.kind !== "pick";
    rows.show(step.index);
    if (step.kind === "fold") {
      fold(row, step.isOpen);
    } else if (step.kind === "pick") {
      pick(row);
    }
  };
  const onClick = (row: OutlineRow) => () => {
    setFocused(row.key);
    if (row.line > 0) {
      onLine(row.line);
    } else if (row.isExpandable) {
      fold(row, !row.isExpanded);
    } else {
      pick(row);
    }
  };
  if (all.length === 0) {
    return <p class="empty dim">Nothing in this file can take a probe.</p>;
  }
  // The row with the tab stop is always there, wherever one has scrolled to.
  const { first, end } = rows;
  const tabStop = at >= first && at < end ? at : first;
  return (
    <div class="outline" ref={rows.box} role="tree" aria-label={`Scopes of ${source.entry.file}`} onScroll={rows.onScroll} onKeyDown={onKeyDown}>
      <div class="code-all" style={{ height: `${all.length * ROW_HEIGHT}px` }}>
        <div style={{ transform: `translateY(${first * ROW_HEIGHT}px)` }}>
          {all.slice(first, end).map((row, i) => (
            <Item
              key={row.key}
              row={row}
              isFocus={first + i === tabStop}
              isCursor={first + i === around}
              onClick={onClick(row)}
              onPick={() => pick(row)}
            />
          ))}
        </div>
      </div>
    </div>
  );
}
