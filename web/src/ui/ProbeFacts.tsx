// SPDX-License-Identifier: Apache-2.0
import { escape } from "../escape";
import { LIMITS } from "../form";
import { count, fullTime, span } from "../format";
import type { Probe } from "../types";
import { Copyable } from "./Text";

function expiryOf(probe: Probe): string {
  if (probe.expires_at_ns === 0) {
    return "never";
  }
  const leftMs = probe.expires_at_ns / 1e6 - Date.now();
  return leftMs > 0 ? `in ${span(leftMs)}` : `ended ${fullTime(probe.expires_at_ns)}`;
}

/** Only what differs from the usual. */
function limitsOf(probe: Probe): string {
  const changed = LIMITS.filter(({ key, usual }) => probe.limits[key] !== usual);
  return changed.map(({ key }) => `${key} ${count(probe.limits[key])}`).join(", ");
}

function leftOutOf(probe: Probe): string {
  const { capture } = probe;
  return (["arguments", "locals", "return", "stack"] as const)
    .filter((part) => !capture[part])
    .join(", ");
}

/** What was asked of a probe, as far as it says something. */
export function ProbeFacts({ probe }: { probe: Probe }) {
  const facts: [string, string][] = [
    ["Taken", probe.at === "line" ? "at the line" : `at the function's ${probe.at}`],
    ["Where", [probe.service, probe.env].filter(Boolean).join("/") || "everywhere"],
    ["Rate", `${probe.rate} a second and process`],
    ["Ends", [probe.hit_limit > 0 ? `after ${count(probe.hit_limit)} per process` : "", expiryOf(probe)].filter(Boolean).join(", ")],
    ["Limits", limitsOf(probe)],
    ["Left out", leftOutOf(probe)],
    ["Tags", probe.tags === undefined ? "" : JSON.stringify(probe.tags)],
    ["Set", fullTime(probe.created_at_ns)],
  ];
  return (
    <dl class="facts">
      <div>
        <dt>Probe</dt>
        <dd>
          <Copyable text={probe.id} what="the probe's id" /> <span class="dim">revision {probe.revision}</span>
        </dd>
      </div>
      {facts
        .filter(([, text]) => text !== "")
        .map(([name, text]) => (
          <div>
            <dt>{name}</dt>
            <dd>{escape(text)}</dd>
          </div>
        ))}
    </dl>
  );
}
