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

function focus(selector: string): boolean {
  const element = document.querySelector<HTMLElement>(selector);
  element?.focus();
  return element !== null && document.activeElement === element;
}

/**
 * At once where it is there already, else right after what was just dispatched is drawn, which is
 * before the next key: however fast one types, each letter goes where it is meant to.
 */
export function focusSoon(selector: string): void {
  if (!focus(selector)) {
    queueMicrotask(() => {
      if (!focus(selector)) {
        setTimeout(() => focus(selector), 0);
      }
    });
  }
}
