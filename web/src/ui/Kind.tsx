// SPDX-License-Identifier: Apache-2.0
import { wordOf } from "../symbols";

/** A letter for the kind of a name; the word stands beside it, or is read out. */
export function Kind({ type, isSaid = false }: { type: string; isSaid?: boolean }) {
  const { letter, word } = wordOf(type);
  return (
    <span class={`kind k-${type.toLowerCase()}`} aria-hidden={isSaid ? "true" : undefined}>
      {isSaid ? letter : <span aria-label={word} role="img">{letter}</span>}
    </span>
  );
}
