// SPDX-License-Identifier: Apache-2.0
//
// The one store, and the hook by which components look at a part of it.
import { useEffect, useReducer, useRef } from "preact/hooks";
import { INITIAL, reduce, type Action, type State } from "./state";

let state = INITIAL;
const listeners = new Set<() => void>();

export function getState(): State {
  return state;
}

export function dispatch(action: Action): void {
  const before = state;
  state = reduce(state, action);
  if (state !== before) {
    listeners.forEach((listener) => listener());
  }
}

/** What `select` sees; the component is drawn again when that is another value. */
export function useSelect<T>(select: (state: State) => T): T {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const selected = select(state);
  const latest = useRef({ select, selected });
  latest.current = { select, selected };
  useEffect(() => {
    const look = () => {
      if (!Object.is(latest.current.select(state), latest.current.selected)) {
        redraw(0);
      }
    };
    listeners.add(look);
    look(); // what changed between drawing and now
    return () => {
      listeners.delete(look);
    };
  }, []);
  return selected;
}
