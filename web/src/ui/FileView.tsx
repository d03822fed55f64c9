// SPDX-License-Identifier: Apache-2.0
//
// A file as the processes have loaded it: its text where that was uploaded, else its scopes; and in
// both the lines that can take a probe, which a click sets as the form's location.
import { useEffect, useState } from "preact/hooks";
import { closeFile, openFile } from "../actions";
import { escape } from "../escape";
import type { FilePlace, Source } from "../files";
import { fileLine, namesFile, scopeText, whyNot } from "../place";
import { dispatch, useSelect } from "../store";
import type { FileEntry } from "../symbols";
import type { Probe } from "../types";
import { FOCUS, focusSoon } from "./focus";
import { Outline } from "./Outline";
import { SourceRows } from "./SourceRows";
import { Place } from "./Text";

const NO_PROBES: Probe[] = [];

function pick(location: string, sourceHash: string): void {
  dispatch({ type: "pick", picked: { location, sourceHash } });
  focusSoon(FOCUS.location);
}

function versionText(entry: FileEntry): string {
  const hash = entry.fileHash === "" ? "changed since it was loaded" : entry.fileHash.slice(0, 7);
  return `${hash} ${entry.services.length > 0 ? `in ${entry.services.join(", ")}` : ""}`.trim();
}

function Versions({ place, source }: { place: FilePlace; source: Source }) {
  const { versions, entry } = source;
  if (versions.length < 2) {
    return (
      <span class="version dim" title={entry.fileHash === "" ? "" : `git hash-object: ${entry.fileHash}`}>
        {escape(versionText(entry))}
      </span>
    );
  }
  const onChange = (event: preact.JSX.TargetedEvent<HTMLSelectElement>) => {
    const version = versions[Number(event.currentTarget.value)]?.fileHash ?? "";
    void openFile({ ...place, version });
  };
  return (
    <select class="version" aria-label="Version" value={String(versions.indexOf(entry))} onChange={onChange}>
      {versions.map((one, i) => (
        <option value={String(i)}>{escape(versionText(one))}</option>
      ))}
    </select>
  );
}

/** What the line that one is at stands in, and why it takes no probe. */
function LineNote({ source, line, refused, onLine }: { source: Source; line: number; refused: boolean; onLine: (line: number) => void }) {
  const { map, text } = source;
  const scopes = scopeText(map.scopesAt(line));
  if (line === 0) {
    return <p class="line-note dim">Click a marked line to set a probe there; arrows and Enter do it, too.</p>;
  }
  const isOk = map.has(line);
  const isBehind = text !== null && line > text.length;
  return (
    <p class={refused && !isOk ? "line-note fault" : "line-note dim"} role={refused && !isOk ? "alert" : "status"}>
      <code>{line}</code>
      {scopes !== "" && <code class="scope">{escape(scopes)}</code>}
      {!isOk && <span>{isBehind ? `the file has ${text.length} lines` : whyNot(text === null ? null : (text[line - 1] ?? ""))}</span>}
      {!isOk && refused && map.nearest(line).length > 0 && (
        <span class="nearest">
          Nearest:
          {map.nearest(line).map((near) => (
            <button type="button" aria-label={`Set the probe at line ${near}`} onClick={() => onLine(near)}>
              {near}
            </button>
          ))}
        </span>
      )}
    </p>
  );
}

function probedLines(probes: Probe[], path: string): Set<number> {
  const places = probes.map((probe) => fileLine(probe.location));
  return new Set(places.flatMap((place) => (place !== null && namesFile(place.file, path) ? [place.line] : [])));
}

function Shown({ place, source }: { place: FilePlace; source: Source }) {
  const { entry, map, text } = source;
  const probes = useSelect((state) => state.probes) ?? NO_PROBES;
  const [cursor, setCursor] = useState(place.line);
  const [refused, setRefused] = useState(0);
  const [wantsOutline, setWantsOutline] = useState(false);
  useEffect(() => {
    setCursor(place.line);
    setRefused(0);
  }, [place]);
  const onLine = (line: number) => {
    setCursor(line);
    setRefused(map.has(line) ? 0 : line);
    if (map.has(line)) {
      pick(`${entry.file}:${line}`, entry.fileHash);
    }
  };
  const isOutline = text === null || wantsOutline;
  return (
    <>
      <div class="file-head">
        <LineNote source={source} line={cursor} refused={refused === cursor} onLine={onLine} />
        {text !== null && (
          <button type="button" class="quiet" aria-pressed={wantsOutline} onClick={() => setWantsOutline(!wantsOutline)}>
            outline
          </button>
        )}
      </div>
      {text === null && (
        <p class="file-why dim">
          {entry.origin === "user"
            ? "The text of this file was not uploaded; these are its scopes and the lines that can take a probe."
            : "The text of libraries is never uploaded; these are its scopes and the lines that can take a probe."}
        </p>
      )}
      {isOutline ? (
        <Outline source={source} line={cursor} onLine={onLine} onFunction={(location) => pick(location, "")} />
      ) : (
        <SourceRows
          source={source}
          text={text}
          cursor={cursor}
          at={place}
          probed={probedLines(probes, entry.file)}
          onCursor={setCursor}
          onLine={onLine}
        />
      )}
    </>
  );
}

export function FileView() {
  const file = useSelect((state) => state.file);
  if (file === null) {
    return null;
  }
  const { place, source, error } = file;
  const name = place.path.slice(place.path.lastIndexOf("/") + 1) || place.path;
  const close = () => {
    closeFile();
    focusSoon(FOCUS.list);
  };
  return (
    <section class="detail file" aria-labelledby="file-title">
      <div class="bar">
        <h2 id="file-title">{escape(name)}</h2>
        <Place place={place.path} />
        {source !== null && <Versions place={place} source={source} />}
        <button type="button" class="quiet close" onClick={close}>
          Close <kbd>Esc</kbd>
        </button>
      </div>
      {source !== null && <Shown key={source.entry.file + source.entry.units.join()} place={place} source={source} />}
      {source === null && (
        <p class={error === "" ? "empty dim" : "empty fault"} role="status">
          {error === "" ? "Loading." : `It can not be shown: ${escape(error)}`}
        </p>
      )}
    </section>
  );
}
