// SPDX-License-Identifier: Apache-2.0
//
// Where the keyboard goes next, after what was just changed has been drawn.

export const FOCUS = {
  list: "#snapshots",
  tree: "#tree [tabindex='0']",
  text: "#filter-text",
  location: "#f-location",
  newProbe: "#new-probe",
  probes: "#probes .probe-head",
  processes: "#processes",
  probe: (id: string) => `[data-probe="${CSS.escape(id)}"] .probe-head`,
} as const;

export function focusSoon(selector: string): void {
  setTimeout(() => document.querySelector<HTMLElement>(selector)?.focus(), 0);
}
