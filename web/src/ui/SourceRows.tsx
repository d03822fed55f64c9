// SPDX-License-Identifier: Apache-2.0
//
// A file's text. Only the lines on the screen, and some more, are elements.
import { useEffect, useMemo } from "preact/hooks";
import { shadeLine } from "../colour";
import type { FilePlace, Source } from "../files";
import { whyNot } from "../place";
import { Escaped } from "./Text";
import { useRows } from "./useRows";

export const ROW_HEIGHT = 18;
const COLUMNS_MOST = 2000;
const TAB = 4;

/** Tabs as what they stand for: everything else that is not seen is shown as an escape. */
function plainLine(line: string): string {
  const cut = line.length > COLUMNS_MOST ? `${line.slice(0, COLUMNS_MOST)}…` : line;
  if (!cut.includes("\t")) {
    return cut;
  }
  let out = "";
  for (const part of cut.split(/(\t)/)) {
    out += part === "\t" ? " ".repeat(TAB - (out.length % TAB)) : part;
  }
  return out;
}

interface LineProps {
  number: number;
  count: number;
  text: string;
  language: string;
  state: string;
  takes: boolean;
  isProbed: boolean;
  isCursor: boolean;
  onClick: () => void;
}

function Line({ number, count, text, language, state, takes, isProbed, isCursor, onClick }: LineProps) {
  const code = useMemo(() => {
    const { pieces } = shadeLine(language, state, plainLine(text));
    return pieces.map(({ shade, text: part }) => (
      <span class={`s-${shade}`}>
        <Escaped text={part} quoting="bare" />
      </span>
    ));
  }, [text, language, state]);
  const classes = [takes ? "takes" : "", isProbed ? "probed" : "", isCursor ? "cursor" : ""].filter(Boolean).join(" ");
  return (
    <div
      id={`line-${number}`}
      class={`code-line ${classes}`}
      role="option"
      aria-selected={isCursor}
      aria-disabled={!takes}
      aria-setsize={count}
      aria-posinset={number}
      title={takes ? (isProbed ? "a probe is set here" : "set a probe here") : whyNot(text)}
      onClick={onClick}
    >
      <span class="gutter">
        <span class="dot" aria-hidden="true" />
        {number}
      </span>
      <code>{code}</code>
    </div>
  );
}

interface SourceRowsProps {
  source: Source;
  text: string[];
  cursor: number; // 0: none
  at: FilePlace; // what was asked to be seen
  probed: ReadonlySet<number>;
  onCursor: (line: number) => void;
  onLine: (line: number) => void;
}

export function SourceRows({ source, text, cursor, at, probed, onCursor, onLine }: SourceRowsProps) {
  const { map, states, entry } = source;
  const rows = useRows(text.length, ROW_HEIGHT);
  useEffect(() => {
    if (at.line > 0) {
      rows.showInside(at.line - 1);
    }
  }, [at]);
  const columns = useMemo(() => Math.min(COLUMNS_MOST, text.reduce((most, line) => Math.max(most, line.length), 0)), [text]);
  const move = (line: number) => {
    const to = Math.min(text.length, Math.max(1, line));
    onCursor(to);
    rows.show(to - 1);
  };
  const onKeyDown = (event: preact.JSX.TargetedKeyboardEvent<HTMLDivElement>) => {
    const steps: Record<string, () => number> = {
      ArrowDown: () => (event.altKey ? map.step(cursor, 1) : cursor + 1),
      ArrowUp: () => (event.altKey ? map.step(cursor, -1) : cursor - 1),
      PageDown: () => cursor + rows.page,
      PageUp: () => cursor - rows.page,
      Home: () => 1,
      End: () => text.length,
    };
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      move(step());
    } else if ((event.key === "Enter" || event.key === " ") && cursor > 0) {
      event.preventDefault();
      onLine(cursor);
    }
  };
  // A click that ends a selection of text is no click.
  const onClick = (line: number) => () => {
    if (getSelection()?.isCollapsed !== false) {
      onLine(line);
    }
  };
  const { first, end } = rows;
  const digits = String(text.length).length;
  return (
    <div
      id="source"
      class="code"
      ref={rows.box}
      role="listbox"
      tabIndex={0}
      aria-label={`Lines of ${entry.file}`}
      aria-activedescendant={cursor > first && cursor <= end ? `line-${cursor}` : undefined}
      onScroll={rows.onScroll}
      onKeyDown={onKeyDown}
    >
      <div class="code-all" style={{ height: `${text.length * ROW_HEIGHT}px`, "--columns": columns, "--digits": digits }}>
        <div style={{ transform: `translateY(${first * ROW_HEIGHT}px)` }}>
          {text.slice(first, end).map((line, i) => {
            const number = first + i + 1;
            return (
              <Line
                key={number}
                number={number}
                count={text.length}
                text={line}
                language={entry.language}
                state={states[number - 1] ?? ""}
                takes={map.has(number)}
                isProbed={probed.has(number)}
                isCursor={number === cursor}
                onClick={onClick(number)}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}
