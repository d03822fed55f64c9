// SPDX-License-Identifier: Apache-2.0
//
// The field of a probe's location. It completes names and files, after the ARIA practices for
// comboboxes: the focus stays in the field, arrows move through the list. Without symbols it is
// a plain field.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { openFile } from "../actions";
import { Completer, type Answer, type Hit } from "../complete";
import { escape } from "../escape";
import { complete, type FilePlace } from "../files";
import { marked, marksOf } from "../match";
import { canBeLocation, fileLine, fileQuery, namesFile } from "../place";
import { useSelect } from "../store";
import { wordOf } from "../symbols";
import { Kind } from "./Kind";
import { Place } from "./Text";

const LIST_WIDTH = 620;
const LIST_HEIGHT = 470;
const EDGE = 8; // from the window's edges

const ORIGINS = { user: "", library: "library", standard: "standard library", generated: "generated" };

interface Shown {
  type: string;
  name: string;
  place: string;
  origin: keyof typeof ORIGINS;
  services: string[];
  source: FilePlace | null;
}

function shownOf(hit: Hit, line: number): Shown {
  if (hit.what === "file") {
    const { file, origin, services, fileHash: version } = hit.file;
    const at = file.lastIndexOf("/") + 1;
    const source = { path: file, line, version };
    return { type: "FILE", name: file.slice(at) || file, place: file.slice(0, at), origin, services, source };
  }
  const { type, name, qualified, file, line: first, origin, services, fileHash: version } = hit.symbol;
  const source = file === "" ? null : { path: file, line: first, version };
  const place = first > 0 ? `${file}:${first}` : file;
  return { type, name: qualified || name, place, origin, services, source };
}

/** The location that choosing it fills in; null: its source is shown instead. */
function locationOf(hit: Hit): string | null {
  return hit.what === "symbol" && hit.symbol.kind === "function" && hit.symbol.location !== "" ? hit.symbol.location : null;
}

interface OptionProps {
  hit: Hit;
  id: string;
  query: string;
  isActive: boolean;
  hasServices: boolean;
  onChoose: () => void;
  onSource: (() => void) | null;
}

function Option({ hit, id, query, isActive, hasServices, onChoose, onSource }: OptionProps) {
  const { file, line } = fileQuery(query);
  const shown = shownOf(hit, line);
  const name = escape(shown.name);
  const isChosenByName = locationOf(hit) !== null;
  const showSource = (event: MouseEvent) => {
    event.stopPropagation();
    onSource?.();
  };
  const about = [ORIGINS[shown.origin], hasServices ? shown.services.slice(0, 3).join(", ") : ""].filter(Boolean).join(" · ");
  return (
    <div
      id={id}
      role="option"
      class={`hit ${shown.origin}`}
      aria-selected={isActive}
      data-kind={shown.type}
      onClick={onChoose}
    >
      <Kind type={shown.type} isSaid />
      <span class="hit-name">
        {marked(name, marksOf(name, hit.what === "file" ? file : query)).map((piece) =>
          piece.isMarked ? <mark>{piece.text}</mark> : piece.text,
        )}
      </span>
      <span class="hit-word">{wordOf(shown.type).word}</span>
      <Place place={shown.place} />
      <span class="hit-about">{escape(about)}</span>
      {isChosenByName && onSource !== null && (
        // For the mouse; the keyboard has Shift and Enter.
        <span class="hit-source" aria-hidden="true" onClick={showSource}>
          source
        </span>
      )}
    </div>
  );
}

/** Below the field, or above it where there is more room; the panel that it stands in would cut it. */
function usePosition(field: { current: HTMLElement | null }, isOpen: boolean) {
  const [style, setStyle] = useState<Record<string, string>>({});
  useLayoutEffect(() => {
    if (!isOpen) {
      return undefined;
    }
    const place = () => {
      const box = field.current?.getBoundingClientRect();
      if (box === undefined) {
        return;
      }
      const width = Math.min(LIST_WIDTH, innerWidth - 2 * EDGE);
      const left = Math.max(EDGE, Math.min(box.left, innerWidth - EDGE - width));
      const below = innerHeight - box.bottom - EDGE;
      const isBelow = below >= Math.min(240, box.top);
      const height = Math.min(LIST_HEIGHT, isBelow ? below : box.top - EDGE);
      const vertical = isBelow ? { top: `${box.bottom + 2}px`, bottom: "auto" } : { top: "auto", bottom: `${innerHeight - box.top + 2}px` };
      setStyle({ left: `${left}px`, width: `${width}px`, maxHeight: `${height}px`, ...vertical });
    };
    place();
    addEventListener("resize", place);
    addEventListener("scroll", place, true);
    return () => {
      removeEventListener("resize", place);
      removeEventListener("scroll", place, true);
    };
  }, [isOpen]);
  return style;
}

/** Whether what was typed is whole, so that a list would only hide what is said of it. */
function isWhole({ query, hits }: Answer): boolean {
  const place = fileLine(query);
  return hits.some((hit) =>
    hit.what === "file" ? place !== null && namesFile(place.file, hit.file.file) : hit.symbol.location === query.trim(),
  );
}

const NOTHING: Answer = { query: "", hits: [], hasMore: false };

/** What was found for the field's text, and the one that keys act on; -1 is none. */
function useCompletion(value: string, service: string) {
  const [answer, setAnswer] = useState(NOTHING);
  const [open, setOpen] = useState<"no" | "typed" | "wanted">("no");
  const [active, setActive] = useState(-1);
  const completer = useRef<Completer | null>(null);
  const onArrival = useRef<((answer: Answer) => void) | null>(null); // Enter was quicker than the answer
  const isAsked = useRef(false);
  completer.current ??= new Completer(complete, (found, query) => {
    isAsked.current = false;
    const next = found ?? { ...NOTHING, query };
    setAnswer(next);
    setActive(next.hits.length > 0 && !canBeLocation(query) ? 0 : -1);
    onArrival.current?.(next);
    onArrival.current = null;
  });
  useEffect(() => () => completer.current?.stop(), []);
  return {
    answer,
    active,
    setActive,
    isShown: answer.hits.length > 0 && (open === "wanted" || (open === "typed" && !isWhole(answer))),
    isAsked,
    onArrival,
    ask: (text: string) => {
      isAsked.current = text.trim() !== "";
      onArrival.current = null;
      if (open === "no") {
        setAnswer(NOTHING); // what was found for another text, before
      }
      setOpen("typed");
      setActive(-1);
      completer.current?.type(text, service);
    },
    reopen: () => {
      setOpen("wanted");
      if (answer.query !== value && value.trim() !== "") {
        completer.current?.type(value, service);
      }
    },
    close: () => {
      completer.current?.stop();
      isAsked.current = false;
      onArrival.current = null;
      setOpen("no");
      setActive(-1);
    },
  };
}

interface PlaceBoxProps {
  value: string;
  service: string;
  isWrong: boolean;
  /** Ids of what describes the field. */
  describedBy: string | undefined;
  onInput: (value: string) => void;
  onChoose: (location: string, source: FilePlace | null) => void;
  onSubmit: () => void;
}

export function PlaceBox({ value, service, isWrong, describedBy, onInput, onChoose, onSubmit }: PlaceBoxProps) {
  const field = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const state = useCompletion(value, service);
  const { answer, active, isShown } = state;
  const hasServices = useSelect((all) => all.symbolServices.length > 1);
  const style = usePosition(field, isShown);
  useLayoutEffect(() => {
    list.current?.querySelector("[aria-selected='true']")?.scrollIntoView({ block: "nearest" });
  }, [active, answer]);

  const showSource = (hit: Hit, query: string) => {
    const { source } = shownOf(hit, fileQuery(query).line);
    if (source !== null) {
      state.close();
      void openFile(source);
    }
  };
  const choose = (hit: Hit, query: string) => {
    const location = locationOf(hit);
    if (location === null) {
      showSource(hit, query);
      return;
    }
    state.close();
    onChoose(location, shownOf(hit, 0).source);
    field.current?.focus();
  };
  const onEnter = (event: KeyboardEvent) => {
    const hit = isShown ? answer.hits[active] : undefined;
    if (hit !== undefined) {
      event.preventDefault();
      (event.shiftKey ? showSource : choose)(hit, answer.query);
    } else if (state.isAsked.current && !canBeLocation(value)) {
      event.preventDefault(); // whoever types fast means the first that will be found
      state.onArrival.current = ({ hits, query }) => (hits[0] === undefined ? onSubmit() : choose(hits[0], query));
    } else {
      state.close();
    }
  };
  const onKeyDown = (event: preact.JSX.TargetedKeyboardEvent<HTMLInputElement>) => {
    const last = answer.hits.length - 1;
    const steps: Record<string, number> = {
      ArrowDown: active >= last ? 0 : active + 1,
      ArrowUp: active <= 0 ? last : active - 1,
      PageDown: Math.min(last, active + 8),
      PageUp: Math.max(0, active - 8),
    };
    const step = steps[event.key];
    if (event.key === "Enter" && !event.isComposing) {
      onEnter(event);
    } else if (event.key === "ArrowDown" && !isShown) {
      event.preventDefault();
      state.reopen();
    } else if (isShown && step !== undefined) {
      event.preventDefault();
      state.setActive(step);
    } else if (isShown && event.key === "Escape") {
      event.preventDefault(); // the list alone; a second one closes the form
      state.close();
    } else if (isShown && event.key === "Tab" && !event.shiftKey) {
      const hit = answer.hits[active];
      const location = hit === undefined ? null : locationOf(hit);
      if (hit !== undefined && location !== null) {
        onChoose(location, shownOf(hit, 0).source); // and on to the next field
      }
      state.close();
    }
  };
  return (
    <>
      <input
        id="f-location"
        ref={field}
        value={value}
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={isShown}
        aria-controls="places"
        aria-activedescendant={isShown && active >= 0 ? `place-${active}` : undefined}
        placeholder="a name, cart.rb:42, Cart#total, shop.cart:Cart.total"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-invalid={isWrong}
        aria-describedby={describedBy}
        onInput={(event) => {
          onInput(event.currentTarget.value);
          state.ask(event.currentTarget.value);
        }}
        onKeyDown={onKeyDown}
        onBlur={state.close}
      />
      <div class="places" hidden={!isShown} style={style} onMouseDown={(event) => event.preventDefault()}>
        <div id="places" class="hits" role="listbox" aria-label="Names and files" ref={list}>
          {isShown &&
            answer.hits.map((hit, i) => (
              <Option
                key={i}
                id={`place-${i}`}
                hit={hit}
                query={answer.query}
                isActive={i === active}
                hasServices={hasServices}
                onChoose={() => choose(hit, answer.query)}
                onSource={shownOf(hit, 0).source === null ? null : () => showSource(hit, answer.query)}
              />
            ))}
        </div>
        <p class={answer.hasMore ? "hits-end dim" : "hits-end by-key dim"}>
          <span class="by-key">
            <kbd>↑</kbd> <kbd>↓</kbd> <kbd>Enter</kbd> choose
          </span>
          <span class="by-key">
            <kbd>⇧ Enter</kbd> show its source
          </span>
          {answer.hasMore && <span>There are more: go on typing.</span>}
        </p>
      </div>
      <p class="unseen" role="status">
        {isShown ? `${answer.hits.length} found` : ""}
      </p>
    </>
  );
}
