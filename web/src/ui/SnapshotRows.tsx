// SPDX-License-Identifier: Apache-2.0
//
// The list of snapshots. Only the rows on the screen, and a few more, are elements.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { loadOlder, openSnapshot } from "../actions";
import { clockTime, elapsed } from "../format";
import { nextOlder, SUMMARIES_MOST, type Summary } from "../list";
import { dispatch, useSelect } from "../store";
import { topAfterInsert, topShowing, visibleRange, type View } from "../window";
import { openCursor, stepCursor } from "./keys";
import { Pieces, Place } from "./Text";

const OVERSCAN = 8;
const WIDE = 720; // pixels; below, a row has two lines
const ROW_WIDE = 24;
const ROW_NARROW = 44;

/** The box's size, and from it the height of a row. */
function useBox(box: { current: HTMLElement | null }): { height: number; rowHeight: number } {
  const [size, setSize] = useState({ height: 0, rowHeight: ROW_WIDE });
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) {
      return undefined;
    }
    const measure = () => {
      const { clientHeight: height, clientWidth: width } = element;
      setSize({ height, rowHeight: width < WIDE ? ROW_NARROW : ROW_WIDE });
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  return size;
}

/** What is read stays in its place when newer rows come in above it, or rows change height. */
function useAnchor(
  box: { current: HTMLElement | null },
  rows: Summary[],
  view: View,
  onMoved: (top: number) => void,
) {
  const anchor = useRef<{ id: string; index: number; rowHeight: number } | null>(null);
  useLayoutEffect(() => {
    const element = box.current;
    const before = anchor.current;
    if (element !== null && before !== null && element.scrollTop > 0) {
      const index = rows.findIndex((row) => row.id === before.id);
      const top = (element.scrollTop * view.rowHeight) / before.rowHeight;
      if (index >= 0 && (index !== before.index || before.rowHeight !== view.rowHeight)) {
        element.scrollTop = topAfterInsert({ ...view, top }, index - before.index);
        onMoved(element.scrollTop); // drawn anew before anything is painted
      }
    }
  }, [rows, view.rowHeight]);
  useLayoutEffect(() => {
    const index = Math.min(rows.length - 1, Math.floor(view.top / view.rowHeight));
    const row = rows[index];
    anchor.current = row === undefined ? null : { id: row.id, index, rowHeight: view.rowHeight };
  });
}

/** The cells of a row; they never change, while its position does with each newer snapshot. */
function useCells(row: Summary) {
  return useMemo(
    () => (
      <>
        <time>{clockTime(row.ns, Date.now())}</time>
        <span class="service">{row.service}</span>
        <span class="function">{row.function}</span>
        <Place place={row.place} isShort />
        <span class="pid">{row.pid}</span>
        <span class="thread">{row.thread}</span>
        <span class="duration" title={row.ending}>
          {row.durationNs === null ? "" : elapsed(row.durationNs)}
        </span>
        <span class="values">
          <Pieces pieces={row.pieces} />
        </span>
      </>
    ),
    [row],
  );
}

function Row({ row, index, count, state }: { row: Summary; index: number; count: number; state: string }) {
  const cells = useCells(row);
  const open = () => {
    dispatch({ type: "cursor", id: row.id });
    void openSnapshot(row.id);
  };
  // With the press: before the button is up again, rows that come in may have moved this one from under it,
  // and there is no click then. What is clicked by other means than a pointer has no press.
  const onMouseDown = (event: MouseEvent) => event.button === 0 && open();
  const onClick = (event: MouseEvent) => event.detail === 0 && open();
  return (
    <div
      id={`s-${row.id}`}
      class={`row ${state}`}
      role="option"
      aria-selected={state !== ""}
      aria-setsize={count}
      aria-posinset={index + 1}
      onMouseDown={onMouseDown}
      onClick={onClick}
    >
      {cells}
    </div>
  );
}

function onListKey(event: preact.JSX.TargetedKeyboardEvent<HTMLDivElement>, page: number): void {
  const steps: Record<string, number> = {
    ArrowDown: 1,
    ArrowUp: -1,
    PageDown: page,
    PageUp: -page,
    Home: -SUMMARIES_MOST,
    End: SUMMARIES_MOST,
  };
  const step = steps[event.key];
  if (step !== undefined) {
    event.preventDefault();
    stepCursor(step);
  } else if (event.key === "Enter") {
    event.preventDefault();
    void openCursor();
  }
}

/** When the last row is in sight: what is being done, or why there is no more. */
function End() {
  const list = useSelect((state) => state.list);
  const isFull = list.items.length >= SUMMARIES_MOST;
  return (
    <p class="list-end dim">
      {list.isLoadingOlder
        ? "Loading older ones."
        : isFull
          ? `The page holds ${SUMMARIES_MOST} snapshots. Older ones: sonde snapshots`
          : "The oldest that the collector keeps."}
    </p>
  );
}

export function SnapshotRows({ rows }: { rows: Summary[] }) {
  const cursor = useSelect((state) => state.cursor);
  const openedId = useSelect((state) => state.opened?.id ?? null);
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const { height, rowHeight } = useBox(box);
  const view: View = { top, height, rowHeight, count: rows.length };
  useAnchor(box, rows, view, setTop);
  const { first, end } = visibleRange(view, OVERSCAN);

  // The row that keys moved to is scrolled into sight.
  useEffect(() => {
    const index = rows.findIndex((row) => row.id === cursor);
    if (box.current !== null && index >= 0) {
      const wanted = topShowing({ ...view, top: box.current.scrollTop }, index);
      if (wanted !== box.current.scrollTop) {
        box.current.scrollTop = wanted;
      }
    }
  }, [cursor, rowHeight]);

  // Near the end, older ones are asked for; for a text until one matches or the list is full.
  const hasOlder = useSelect((state) => nextOlder(state.list, state.filter) !== null);
  const isNearEnd = end >= rows.length;
  useEffect(() => {
    if (isNearEnd && hasOlder) {
      void loadOlder();
    }
  }, [isNearEnd, hasOlder]);

  const isCursorDrawn = rows.slice(first, end).some((row) => row.id === cursor);
  return (
    <>
      <div
        class={rowHeight === ROW_WIDE ? "rows wide" : "rows narrow"}
        id="snapshots"
        ref={box}
        role="listbox"
        tabIndex={0}
        aria-label="Snapshots, newest first"
        aria-activedescendant={isCursorDrawn ? `s-${cursor}` : undefined}
        hidden={rows.length === 0}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
        onKeyDown={(event) => onListKey(event, Math.max(1, Math.floor(height / rowHeight) - 1))}
      >
        <div class="all" style={{ height: `${rows.length * rowHeight}px` }}>
          <div class="drawn" style={{ transform: `translateY(${first * rowHeight}px)` }}>
            {rows.slice(first, end).map((row, i) => (
              <Row
                key={row.id}
                row={row}
                index={first + i}
                count={rows.length}
                state={row.id === openedId ? "opened" : row.id === cursor ? "cursor" : ""}
              />
            ))}
          </div>
        </div>
      </div>
      {isNearEnd && rows.length > 0 && <End />}
    </>
  );
}
