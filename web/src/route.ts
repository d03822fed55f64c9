// SPDX-License-Identifier: Apache-2.0
//
// What the page's address names: #/snapshot/ID or #/probe/ID.

export type Route = { kind: "none" } | { kind: "snapshot" | "probe"; id: string };

export function parseRoute(hash: string): Route {
  const match = /^#\/(snapshot|probe)\/([^/]+)$/.exec(hash);
  if (match === null) {
    return { kind: "none" };
  }
  try {
    return { kind: match[1] as "snapshot" | "probe", id: decodeURIComponent(match[2] ?? "") };
  } catch {
    return { kind: "none" }; // a stray "%"
  }
}

export function formatRoute(route: Route): string {
  return route.kind === "none" ? "#/" : `#/${route.kind}/${encodeURIComponent(route.id)}`;
}
