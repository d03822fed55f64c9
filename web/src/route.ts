// SPDX-License-Identifier: Apache-2.0
//
// What the page's address names: #/snapshot/ID, #/probe/ID, or #/file/PATH?line=N&version=HASH.
import type { FilePlace } from "./files";

export type Route = { kind: "none" } | { kind: "snapshot" | "probe"; id: string } | { kind: "file"; place: FilePlace };

export function parseRoute(hash: string): Route {
  const match = /^#\/(snapshot|probe|file)\/([^/?]+)(?:\?(.*))?$/.exec(hash);
  if (match === null) {
    return { kind: "none" };
  }
  const [, kind, name = "", query = ""] = match;
  try {
    const id = decodeURIComponent(name);
    if (kind !== "file") {
      return { kind: kind as "snapshot" | "probe", id };
    }
    const about = new URLSearchParams(query);
    const line = /^\d{1,9}$/.test(about.get("line") ?? "") ? Number(about.get("line")) : 0;
    return { kind, place: { path: id, line, version: about.get("version") ?? "" } };
  } catch {
    return { kind: "none" }; // a stray "%"
  }
}

export function formatRoute(route: Route): string {
  if (route.kind === "none") {
    return "#/";
  }
  if (route.kind !== "file") {
    return `#/${route.kind}/${encodeURIComponent(route.id)}`;
  }
  const { path, line, version } = route.place;
  const about = new URLSearchParams();
  if (line > 0) {
    about.set("line", String(line));
  }
  if (version !== "") {
    about.set("version", version);
  }
  const query = about.toString();
  return `#/file/${encodeURIComponent(path)}${query === "" ? "" : `?${query}`}`;
}
