// SPDX-License-Identifier: Apache-2.0
//
// Text from an application, always as text nodes and always escaped.
import { useState } from "preact/hooks";
import { escape, runs, type Quoting } from "../escape";
import { shortPlace, splitPlace } from "../format";
import type { Piece } from "../value";

/** A value's text; what stands for an unseen character is set apart from what is there. */
export function Escaped({ text, quoting }: { text: string; quoting: Quoting }) {
  return (
    <>
      {runs(text, quoting).map((run) =>
        run.escaped ? <span class="escape">{run.text}</span> : run.text,
      )}
    </>
  );
}

export function Pieces({ pieces }: { pieces: Piece[] }) {
  return (
    <>
      {pieces.map(({ tone, text }) => (
        <span class={`t-${tone}`}>{text}</span>
      ))}
    </>
  );
}

/** A path or a function's name. Where there is no room its head is cut, never its tail. */
export function Place({ place, isShort = false }: { place: string; isShort?: boolean }) {
  const whole = escape(place);
  const { head, tail } = splitPlace(isShort ? shortPlace(whole) : whole);
  return (
    <span class="place" title={whole}>
      <span class="head">{head}</span>
      <span class="tail">{tail}</span>
    </span>
  );
}

/** Where there is no clipboard (a page that is not served over TLS), the text is selected. */
async function copy(text: string, from: HTMLElement): Promise<string> {
  try {
    await navigator.clipboard.writeText(text);
    return "copied";
  } catch {
    const node = from.parentElement?.querySelector(".copyable");
    if (node !== null && node !== undefined) {
      getSelection()?.selectAllChildren(node);
    }
    return "selected";
  }
}

export function Copyable({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState("");
  const onClick = async (event: preact.JSX.TargetedMouseEvent<HTMLButtonElement>) => {
    setDone(await copy(text, event.currentTarget));
    setTimeout(() => setDone(""), 1500);
  };
  return (
    <span class="copy">
      <code class="copyable">{escape(text)}</code>
      <button type="button" class="quiet" aria-label={`Copy ${what}`} onClick={onClick}>
        {done || "copy"}
      </button>
    </span>
  );
}
