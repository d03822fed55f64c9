// SPDX-License-Identifier: Apache-2.0
//
// One shape per state, so that colour is never the only sign. A word stands beside each.
import type { State } from "../probes";

export type Shape = State | "connected" | "warning";

const PATHS: Record<Shape, preact.JSX.Element> = {
  emitting: <circle cx="6" cy="6" r="4.5" class="fill" />,
  connected: <circle cx="6" cy="6" r="3.5" class="fill" />,
  installed: (
    <>
      <circle cx="6" cy="6" r="4.25" class="line" />
      <circle cx="6" cy="6" r="1.75" class="fill" />
    </>
  ),
  pending: <circle cx="6" cy="6" r="4.25" class="line dashed" />,
  received: <circle cx="6" cy="6" r="2" class="fill" />,
  unheard: <circle cx="6" cy="6" r="2" class="line" />,
  error: <path d="M2 2l8 8M10 2l-8 8" class="line" />,
  gone: <path d="M6 1.75a4.25 4.25 0 1 0 .01 0M3 9l6-6" class="line" />,
  warning: <path d="M6 1.5L11 10.5H1zM6 5v2.6M6 8.6v1" class="line" />,
};

export function Glyph({ shape }: { shape: Shape }) {
  return (
    <svg class={`glyph ${shape}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      {PATHS[shape]}
    </svg>
  );
}
