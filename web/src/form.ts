// SPDX-License-Identifier: Apache-2.0
//
// The form of a probe, as text fields, and the definition that comes of it. What is wrong is
// said by the collector, whose words stand beside the field: here nothing is refused.
import { fileLine } from "./place";
import { definitionOf } from "./probes";
import type { Capture, Definition, Limits, Probe } from "./types";

export const LIMITS: { key: keyof Limits; label: string; usual: number }[] = [
  { key: "depth", label: "Depth", usual: 3 },
  { key: "elements", label: "Collection members", usual: 100 },
  { key: "fields", label: "Object fields", usual: 20 },
  { key: "length", label: "Text characters", usual: 255 },
  { key: "frames", label: "Stack frames", usual: 64 },
  { key: "time_us", label: "Time per hit, µs", usual: 5000 },
  { key: "bytes", label: "Snapshot bytes", usual: 65536 },
];

export interface FormFields {
  location: string;
  sourceHash: string; // "": whatever version of the file is loaded
  at: string; // "": as the location implies
  service: string;
  env: string;
  rate: string;
  hit_limit: string;
  expires: string; // "": never, or as it was; a time such as "10m"
  limits: Record<keyof Limits, string>;
  capture: Capture;
}

export const CAPTURE_ALL: Capture = { arguments: true, locals: true, return: true, stack: true };

export function emptyFields(location = "", service = ""): FormFields {
  return {
    location,
    sourceHash: "",
    at: "",
    service,
    env: "",
    rate: "",
    hit_limit: "",
    expires: "",
    limits: { depth: "", elements: "", fields: "", length: "", frames: "", time_us: "", bytes: "" },
    capture: CAPTURE_ALL,
  };
}

/** A probe to be changed; what is as usual stays empty, where the placeholder shows it. */
export function fieldsOf(probe: Probe): FormFields {
  const fields = emptyFields(probe.location, probe.service);
  for (const { key, usual } of LIMITS) {
    fields.limits[key] = probe.limits[key] === usual ? "" : String(probe.limits[key]);
  }
  return {
    ...fields,
    sourceHash: probe.source_hash ?? "",
    at: probe.at === "line" ? "" : probe.at,
    env: probe.env,
    rate: probe.rate === 1 ? "" : String(probe.rate),
    hit_limit: probe.hit_limit === 0 ? "" : String(probe.hit_limit),
    capture: probe.capture,
  };
}

/** What was typed. Another line of the same file is still meant in the version that was looked at. */
export function withLocation(fields: FormFields, location: string): FormFields {
  const file = fileLine(fields.location)?.file;
  const isSame = file !== undefined && fileLine(location)?.file === file;
  return { ...fields, location, sourceHash: isSame ? fields.sourceHash : "" };
}

/** A number where it is one; else the text itself, which the collector refuses in its words. */
function numberOr(text: string): unknown {
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : text.trim();
}

const UNITS: Record<string, number> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };

/** "90s", "10m", "1.5h", "2d", plain seconds; null when it is none of these. */
export function seconds(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([smhd]?)$/.exec(text.trim());
  return match === null ? null : Number(match[1]) * (UNITS[match[2] ?? ""] ?? 1);
}

/** `changed` is the probe that this becomes the next revision of. */
export function definition(fields: FormFields, changed: Probe | null): Definition {
  const out: Record<string, unknown> = { location: fields.location.trim() };
  if (changed !== null) {
    const { id, tags, expires_at_ns } = definitionOf(changed);
    out.id = id;
    out.expires_at_ns = expires_at_ns;
    if (tags !== undefined) {
      out.tags = tags;
    }
  }
  if (fields.sourceHash !== "" && fileLine(fields.location) !== null) {
    out.source_hash = fields.sourceHash;
  }
  for (const key of ["at", "service", "env"] as const) {
    if (fields[key].trim() !== "") {
      out[key] = fields[key].trim();
    }
  }
  for (const key of ["rate", "hit_limit"] as const) {
    if (fields[key].trim() !== "") {
      out[key] = numberOr(fields[key]);
    }
  }
  const expires = fields.expires.trim();
  if (expires !== "") {
    delete out.expires_at_ns;
    if (expires !== "never") {
      out.expires_in_s = seconds(expires) ?? expires;
    }
  }
  const limits: Record<string, unknown> = {};
  for (const { key } of LIMITS) {
    if (fields.limits[key].trim() !== "") {
      limits[key] = numberOr(fields.limits[key]);
    }
  }
  if (Object.keys(limits).length > 0) {
    out.limits = limits;
  }
  out.capture = fields.capture;
  return out as unknown as Definition;
}
