// SPDX-License-Identifier: Apache-2.0
import type { Instance, Probe, Process, Snapshot } from "../../src/types";

export function snapshotOf(id: string, ns: number, part: Partial<Snapshot> = {}): Snapshot {
  return {
    id,
    probe_id: "p-1",
    probe_revision: 1,
    service: "shop",
    env: "test",
    timestamp_ns: ns,
    duration_ns: null,
    suspended_ns: null,
    outcome: null,
    location: { file: "/srv/shop/cart.py", line: 43, function: "Cart.total" },
    runtime: { language: "python", version: "3.13.0", pid: 4711, instance_id: "i-1" },
    thread: { id: 1, name: "MainThread" },
    trace: null,
    ...part,
  };
}

export function probeOf(id: string, part: Partial<Probe> = {}): Probe {
  return {
    id,
    revision: 1,
    location: "cart.py:43",
    at: "line",
    service: "",
    env: "",
    limits: { depth: 3, elements: 100, length: 255, fields: 20, frames: 64, time_us: 5000, bytes: 65536 },
    rate: 1,
    hit_limit: 0,
    expires_at_ns: 0,
    capture: { arguments: true, locals: true, return: true, stack: true },
    created_at_ns: 1,
    instances: [],
    ...part,
  };
}

export function instanceOf(id: string, part: Partial<Instance> = {}): Instance {
  return {
    instance_id: id,
    revision: 1,
    status: "installed",
    cause: "",
    message: "",
    nearest_lines: [],
    hits: 0,
    captured: 0,
    dropped: {},
    places: 1,
    ...part,
  };
}

export function processOf(id: string, part: Partial<Process> = {}): Process {
  return {
    instance_id: id,
    service: "shop",
    env: "test",
    version: "",
    language: "python",
    runtime_version: "3.13.0",
    pid: 1,
    host: "web-1",
    agent_version: "0.1.0",
    started_at_ns: 1,
    seen_at_ns: 1,
    connected: true,
    probes: 0,
    dropped: {},
    disarmed: [],
    ...part,
  };
}
