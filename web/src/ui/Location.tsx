// SPDX-License-Identifier: Apache-2.0
//
// The location with what is known of it: the file and scope it names, the version that it is meant
// for, and the refusal of a line that no process could set a probe on.
import { useEffect, useRef, useState } from "preact/hooks";
import { openFile } from "../actions";
import { escape } from "../escape";
import { checkPlace, type Checked, type FilePlace } from "../files";
import type { FormFields } from "../form";
import { fileLine } from "../place";
import { atLine } from "../probes";
import { PlaceBox } from "./PlaceBox";
import { Place } from "./Text";

const PAUSE_MS = 300; // a number that is half typed is not looked at
const PATIENCE_MS = 3000; // of whoever pressed Enter; then the processes decide

interface Check {
  /** Of the location as it is now; null: nothing is known of it. */
  found: Checked | null;
  /** Whether the collector is to be asked; looks first where that has not been done. */
  isAllowed: () => Promise<boolean>;
}

/** What the collector has no answer for, the processes decide. */
function lookUp({ location, service, sourceHash }: FormFields): Promise<Checked | null> {
  return checkPlace(location.trim(), service.trim(), sourceHash).catch(() => null);
}

/** Looks whether the line can take a probe, a moment after it was typed. */
export function useCheck(fields: FormFields): Check {
  const { location, service, sourceHash } = fields;
  const [found, setFound] = useState<Checked | null>(null);
  const current = useRef("");
  current.current = [location, service, sourceHash].join("\n");
  const look = async () => {
    const asked = current.current;
    const next = await lookUp(fields);
    if (current.current === asked) {
      setFound(next);
    }
    return next;
  };
  useEffect(() => {
    setFound(null);
    if (fileLine(location) === null) {
      return undefined;
    }
    const timer = setTimeout(() => void look(), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [location, service, sourceHash]);
  return {
    found: found?.location === location.trim() ? found : null,
    isAllowed: async () => {
      const late = new Promise<null>((resolve) => setTimeout(resolve, PATIENCE_MS, null));
      return (await Promise.race([look(), late]))?.isOk !== false;
    },
  };
}

interface LocationProps {
  fields: FormFields;
  fault: string; // the collector's words
  check: Check;
  onInput: (location: string) => void;
  onAnyVersion: () => void;
  onSubmit: () => void;
}

export function Location({ fields, fault, check, onInput, onAnyVersion, onSubmit }: LocationProps) {
  const { location, sourceHash } = fields;
  const [chosen, setChosen] = useState<{ location: string; source: FilePlace | null } | null>(null);
  const { found } = check;
  const isRefused = found !== null && !found.isOk;
  const refusal = isRefused ? `no code on line ${found.line} can take a probe` : "";
  const wrong = fault || refusal;
  const file = found?.files[0];
  const source: FilePlace | null =
    file !== undefined && found !== null
      ? { path: file.file, line: found.line, version: sourceHash || file.fileHash }
      : chosen?.location === location.trim()
        ? chosen.source
        : null;
  const onChoose = (next: string, from: FilePlace | null) => {
    setChosen({ location: next, source: from });
    onInput(next);
  };
  return (
    <div class="field" data-field="location">
      <label for="f-location">Location</label>
      <PlaceBox
        value={location}
        service={fields.service.trim()}
        isWrong={wrong !== ""}
        describedBy={wrong !== "" ? "f-location-fault" : source !== null ? "f-location-note" : undefined}
        onInput={onInput}
        onChoose={onChoose}
        onSubmit={onSubmit}
      />
      {wrong !== "" && (
        <div class="fault" id="f-location-fault" role="alert">
          {wrong}
          {fault === "" && isRefused && found.nearest.length > 0 && (
            <span class="nearest">
              Nearest lines:{" "}
              {found.nearest.map((line) => (
                <button type="button" aria-label={`Take line ${line}`} onClick={() => onInput(atLine(location.trim(), line))}>
                  {line}
                </button>
              ))}
            </span>
          )}
        </div>
      )}
      {source !== null && (
        <div class="line place-note dim" id="f-location-note">
          {found?.scope ? <code class="scope">{escape(found.scope)}</code> : <Place place={source.path} isShort />}
          <button type="button" class="quiet end" onClick={() => void openFile(source)}>
            show source
          </button>
        </div>
      )}
      {sourceHash !== "" && (
        <div class="line place-note dim">
          <span title={sourceHash}>
            only in version <code>{sourceHash.slice(0, 7)}</code> of the file
          </span>
          <button type="button" class="quiet end" onClick={onAnyVersion}>
            any version
          </button>
        </div>
      )}
    </div>
  );
}
