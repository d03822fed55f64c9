// SPDX-License-Identifier: Apache-2.0
//
// The collector vouches for a snapshot's outer shape, not for what lies in its stack and its
// captures: whoever may send logs may send anything there. It is brought into the shape that
// types.ts promises, once, when it comes in; one odd snapshot must not break the page.
import type { Captures, Frame, Snapshot, Throwable, Value, Values } from "./types";

type Json = Record<string, unknown>;

const NESTING_MOST = 64;
const UNREADABLE: Value = { not_captured_reason: "unreadable" };

function isObject(json: unknown): json is Json {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function text(json: unknown): string {
  return typeof json === "string" ? json : typeof json === "number" ? String(json) : "";
}

function number(json: unknown): number {
  return typeof json === "number" ? json : 0;
}

/** An object, member by member. fromEntries() also makes a member of "__proto__". */
function mapped<T>(json: Json, make: (member: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(json).map(([name, member]) => [name, make(member)]));
}

function values(json: unknown, depth: number): Values {
  return isObject(json) ? mapped(json, (member) => value(member, depth)) : {};
}

function value(json: unknown, depth: number): Value {
  if (!isObject(json) || depth > NESTING_MOST) {
    return UNREADABLE;
  }
  const out: Value = {};
  if (typeof json.type === "string") {
    out.type = json.type;
  }
  if (Array.isArray(json.elements)) {
    out.elements = json.elements.map((element) => value(element, depth + 1));
  } else if (Array.isArray(json.entries)) {
    out.entries = json.entries.filter(isObject).map((entry) => ({
      key: value(entry.key, depth + 1),
      value: value(entry.value, depth + 1),
    }));
  } else if (isObject(json.fields)) {
    out.fields = values(json.fields, depth + 1);
  } else if (json.value !== undefined && json.value !== null) {
    out.value = text(json.value);
  } else if (json.is_null === true) {
    out.is_null = true;
  }
  if (json.truncated === true) {
    out.truncated = true;
  }
  if (typeof json.size === "number") {
    out.size = json.size;
  }
  if (typeof json.not_captured_reason === "string") {
    out.not_captured_reason = json.not_captured_reason;
  }
  return out;
}

function frame(json: unknown): Frame {
  const { file, function: name, line } = isObject(json) ? json : ({} as Json);
  return { file: text(file), function: text(name), line: number(line) };
}

function frames(json: unknown): Frame[] {
  return Array.isArray(json) ? json.map(frame) : [];
}

function throwable(json: Json): Throwable {
  const out: Throwable = { type: text(json.type) };
  if (isObject(json.message)) {
    out.message = value(json.message, 0);
  }
  if (Array.isArray(json.stack)) {
    out.stack = frames(json.stack);
  }
  return out;
}

/** The parts `keys` of `json` that are there, each as named values. */
function parts<K extends string>(json: unknown, keys: readonly K[]): Partial<Record<K, Values>> {
  const out: Partial<Record<K, Values>> = {};
  for (const key of keys) {
    if (isObject(json) && json[key] !== undefined) {
      out[key] = values(json[key], 0);
    }
  }
  return out;
}

function captures(json: unknown): Captures {
  const out: Captures = {};
  if (!isObject(json)) {
    return out;
  }
  if (isObject(json.lines)) {
    out.lines = mapped(json.lines, (line) => parts(line, ["arguments", "locals"] as const));
  }
  if (isObject(json.entry)) {
    out.entry = parts(json.entry, ["arguments"] as const);
  }
  if (isObject(json.return)) {
    const { throwable: thrown, return_value: returned } = json.return;
    out.return = parts(json.return, ["arguments", "locals"] as const);
    if (isObject(thrown)) {
      out.return.throwable = throwable(thrown);
    } else if (isObject(returned)) {
      out.return.return_value = value(returned, 0);
    }
  }
  return out;
}

export function soundSnapshot(snapshot: Snapshot): Snapshot {
  const { runtime, thread } = snapshot;
  const out: Snapshot = {
    ...snapshot,
    location: frame(snapshot.location),
    runtime: { ...runtime, pid: number(runtime.pid) },
    thread: { ...thread, id: number(thread.id) },
    captures: captures(snapshot.captures),
  };
  if (snapshot.stack !== undefined) {
    out.stack = frames(snapshot.stack);
  }
  return out;
}
