// SPDX-License-Identifier: Apache-2.0
//
// What the collector's interface answers with (docs/formats/api.md, docs/formats/snapshot.md).
// Times in nanoseconds lose their last digits as a JavaScript number; a page shows milliseconds.

export type At = "line" | "entry" | "exit";
export type Status = "received" | "pending" | "installed" | "emitting" | "error";
export type Counts = Record<string, number>;

export interface Limits {
  depth: number;
  elements: number;
  length: number;
  fields: number;
  frames: number;
  time_us: number;
  bytes: number;
}

export interface Capture {
  arguments: boolean;
  locals: boolean;
  return: boolean;
  stack: boolean;
}

/** What `POST /api/v1/probes` takes. */
export interface Definition {
  id?: string;
  location: string;
  at?: At;
  service?: string;
  env?: string;
  limits?: Partial<Limits>;
  rate?: number;
  hit_limit?: number;
  expires_at_ns?: number;
  expires_in_s?: number;
  capture?: Capture;
  source_hash?: string; // the file's, as its symbols have it; only that version is probed
  tags?: Record<string, unknown>;
}

export interface Instance {
  instance_id: string;
  revision: number;
  status: Status;
  cause: string;
  message: string;
  nearest_lines: number[];
  hits: number;
  captured: number;
  dropped: Counts;
  places: number;
}

export interface Probe {
  id: string;
  revision: number;
  location: string;
  at: At;
  service: string;
  env: string;
  limits: Limits;
  rate: number;
  hit_limit: number;
  expires_at_ns: number;
  capture: Capture;
  source_hash?: string;
  tags?: Record<string, unknown>;
  created_at_ns: number;
  clamped?: string;
  instances: Instance[];
}

export interface Disarmed {
  part: string;
  message: string;
  count: number;
}

export interface Process {
  instance_id: string;
  service: string;
  env: string;
  version: string;
  language: string;
  runtime_version: string;
  pid: number;
  host: string;
  agent_version: string;
  started_at_ns: number;
  seen_at_ns: number;
  connected: boolean;
  probes: number;
  dropped: Counts;
  disarmed: Disarmed[];
  symbols?: { state: "off" | "waiting" | "listing" | "sending" | "done"; message?: string };
}

export interface Value {
  type?: string;
  value?: string;
  is_null?: boolean;
  elements?: Value[];
  entries?: { key: Value; value: Value }[];
  fields?: Values;
  truncated?: boolean;
  size?: number;
  not_captured_reason?: string;
}

export type Values = Record<string, Value>;

export interface Frame {
  file: string;
  function: string;
  line: number;
}

export interface Throwable {
  type: string;
  message?: Value;
  stack?: Frame[];
}

export interface Captures {
  lines?: Record<string, { arguments?: Values; locals?: Values }>;
  entry?: { arguments?: Values };
  return?: { arguments?: Values; locals?: Values; return_value?: Value; throwable?: Throwable };
}

export interface Snapshot {
  id: string;
  probe_id: string;
  probe_revision: number;
  service: string;
  env: string;
  timestamp_ns: number;
  duration_ns: number | null;
  suspended_ns: number | null;
  outcome: string | null; // "returned", "raised", "closed", "cancelled", "left"
  location: Frame;
  runtime: { language: string; version: string; pid: number; instance_id: string };
  thread: { id: number; name: string };
  trace: { trace_id: string; span_id: string } | null;
  stack?: Frame[];
  stack_truncated?: boolean;
  captures?: Captures;
}
