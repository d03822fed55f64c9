// SPDX-License-Identifier: Apache-2.0
import { escape } from "../escape";
import { isLibrary, placeOf } from "../format";
import type { Frame } from "../types";
import { startForm } from "./keys";
import { Place } from "./Text";

interface StackProps {
  title: string;
  frames: Frame[];
  service: string;
  isCut?: boolean;
}

/** Innermost first; the application's own frames stand out against libraries and the language. */
export function Stack({ title, frames, service, isCut }: StackProps) {
  return (
    <section class="stack" aria-label={title}>
      <h3>
        {title} <span class="dim">{frames.length}{isCut === true && " innermost frames"}</span>
      </h3>
      <ol>
        {frames.map((frame) => {
          const place = placeOf(frame);
          const isOwn = !isLibrary(frame.file);
          return (
            <li class={isOwn ? "own" : "library"}>
              <span class="function">{escape(frame.function)}</span>
              <Place place={place} />
              {isOwn && frame.line > 0 && (
                <button
                  type="button"
                  class="quiet"
                  aria-label={`Set a probe at ${escape(place)}`}
                  title="Set a probe here"
                  onClick={() => startForm(place, service)}
                >
                  probe
                </button>
              )}
            </li>
          );
        })}
      </ol>
      {isCut === true && <p class="dim below">More frames than were kept: the limit “frames” of the probe.</p>}
    </section>
  );
}
