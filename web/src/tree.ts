// SPDX-License-Identifier: Apache-2.0
//
// A snapshot's captures as the rows of a tree. Only what is unfolded is looked at, so that a
// value with ten thousand members costs nothing until somebody opens it.
import { memberCount, previewKey, type Piece } from "./value";
import type { Snapshot, Value, Values } from "./types";

export interface Row {
  path: string; // the same for the same member of another snapshot: what is open stays open
  level: number; // from 1
  position: number; // from 1, among `setSize` siblings
  setSize: number;
  kind: "group" | "value" | "more";
  name: Piece[];
  value: Value | null; // null for groups and "more"
  note: string; // of a group: how many; of "more": how many are left
  isExpandable: boolean;
  isExpanded: boolean;
}

/** What a person folded and unfolded: a path's own state, and how many members it shows. */
export interface Folding {
  open: ReadonlyMap<string, boolean>;
  shown: ReadonlyMap<string, number>;
}

export const PAGE = 100; // members shown of a container before "more" is asked for
const LONG_TEXT = 32; // characters; a text longer than that can be unfolded to be read whole

interface Node {
  path: string;
  kind: "group" | "value";
  name: Piece[];
  value: Value | null;
  note: string;
  opensItself: boolean;
  count: number;
  members: (from: number, to: number) => Node[];
}

function plain(text: string, tone: Piece["tone"] = "name"): Piece[] {
  return [{ tone, text }];
}

function membersOf(path: string, value: Value, from: number, to: number): Node[] {
  if (value.elements !== undefined) {
    return value.elements
      .slice(from, to)
      .map((element, i) => nodeOf(`${path}/${from + i}`, plain(String(from + i), "dim"), element));
  }
  if (value.entries !== undefined) {
    return value.entries
      .slice(from, to)
      .map((entry, i) => nodeOf(`${path}/${from + i}`, previewKey(entry.key, 40), entry.value));
  }
  return namedNodes(path, value.fields ?? {}, from, to);
}

function namedNodes(path: string, values: Values, from: number, to: number): Node[] {
  return Object.entries(values)
    .slice(from, to)
    .map(([name, value]) => nodeOf(`${path}/${encodeURIComponent(name)}`, plain(name), value));
}

function nodeOf(path: string, name: Piece[], value: Value): Node {
  return {
    path,
    kind: "value",
    name,
    value,
    note: "",
    opensItself: false,
    count: memberCount(value) ?? 0,
    members: (from, to) => membersOf(path, value, from, to),
  };
}

function groupOf(path: string, title: string, values: Values | undefined): Node[] {
  if (values === undefined) {
    return [];
  }
  const count = Object.keys(values).length;
  return [
    {
      path,
      kind: "group",
      name: plain(title),
      value: null,
      note: count === 0 ? "none" : String(count),
      opensItself: true,
      count,
      members: (from, to) => namedNodes(path, values, from, to),
    },
  ];
}

function rootsOf(snapshot: Snapshot): Node[] {
  const { lines, entry, return: left } = snapshot.captures ?? {};
  const roots: Node[] = [];
  if (left?.throwable !== undefined) {
    const { type, message } = left.throwable;
    roots.push(nodeOf("raised", plain("raised"), { ...(message ?? { is_null: true }), type }));
  } else if (left?.return_value !== undefined) {
    roots.push(nodeOf("returned", plain("returned"), left.return_value));
  }
  for (const captured of Object.values(lines ?? {})) {
    roots.push(...groupOf("arguments", "arguments", captured.arguments));
    roots.push(...groupOf("locals", "locals", captured.locals));
  }
  roots.push(...groupOf("arguments", "arguments", entry?.arguments));
  roots.push(...groupOf("left-arguments", "arguments when left", left?.arguments));
  roots.push(...groupOf("locals", "locals when left", left?.locals));
  return roots;
}

function isLongText(value: Value | null): boolean {
  return value?.value !== undefined && (value.value.length > LONG_TEXT || value.value.includes("\n"));
}

function visit(nodes: Node[], setSize: number, level: number, folding: Folding, out: Row[]): void {
  nodes.forEach((node, index) => {
    const isExpandable = node.count > 0 || isLongText(node.value);
    const isExpanded = isExpandable && (folding.open.get(node.path) ?? node.opensItself);
    out.push({
      path: node.path,
      level,
      position: index + 1,
      setSize,
      kind: node.kind,
      name: node.name,
      value: node.value,
      note: node.note,
      isExpandable,
      isExpanded,
    });
    if (!isExpanded || node.count === 0) {
      return;
    }
    const shown = Math.min(node.count, folding.shown.get(node.path) ?? PAGE);
    const hasMore = shown < node.count;
    visit(node.members(0, shown), shown + (hasMore ? 1 : 0), level + 1, folding, out);
    if (hasMore) {
      out.push({
        path: `${node.path}/more`,
        level: level + 1,
        position: shown + 1,
        setSize: shown + 1,
        kind: "more",
        name: [],
        value: null,
        note: `${node.count - shown} more`,
        isExpandable: false,
        isExpanded: false,
      });
    }
  });
}

/** The rows that are to be seen, from top to bottom. */
export function treeRows(snapshot: Snapshot, folding: Folding): Row[] {
  const out: Row[] = [];
  const roots = rootsOf(snapshot);
  visit(roots, roots.length, 1, folding, out);
  return out;
}

export type TreeStep =
  | { kind: "focus"; path: string }
  | { kind: "fold"; path: string; open: boolean }
  | { kind: "more"; path: string }
  | null;

/** What a key does in the tree, after the ARIA practices for tree views. */
export function treeKey(rows: Row[], focused: string, key: string): TreeStep {
  const index = Math.max(0, rows.findIndex((row) => row.path === focused));
  const row = rows[index];
  if (row === undefined) {
    return null;
  }
  const focus = (at: number): TreeStep => {
    const target = rows[Math.min(rows.length - 1, Math.max(0, at))];
    return target === undefined ? null : { kind: "focus", path: target.path };
  };
  switch (key) {
    case "ArrowDown":
      return focus(index + 1);
    case "ArrowUp":
      return focus(index - 1);
    case "Home":
      return focus(0);
    case "End":
      return focus(rows.length - 1);
    case "ArrowRight":
      if (row.isExpandable && !row.isExpanded) {
        return { kind: "fold", path: row.path, open: true };
      }
      return (rows[index + 1]?.level ?? 0) > row.level ? focus(index + 1) : null;
    case "ArrowLeft":
      if (row.isExpanded) {
        return { kind: "fold", path: row.path, open: false };
      }
      for (let at = index - 1; at >= 0; at--) {
        if ((rows[at]?.level ?? 0) < row.level) {
          return focus(at);
        }
      }
      return null;
    case "Enter":
    case " ":
      if (row.kind === "more") {
        return { kind: "more", path: row.path.slice(0, -"/more".length) };
      }
      return row.isExpandable ? { kind: "fold", path: row.path, open: !row.isExpanded } : null;
    default:
      return null;
  }
}
