// SPDX-License-Identifier: Apache-2.0
//
// A file without its text: its scopes, and in each the lines that can take a probe, as rows of a
// tree.
import type { Scope } from "./symbols";

export interface OutlineRow {
  key: string;
  level: number; // from 1
  scope: Scope; // the row's own, or the one that its line stands in
  line: number; // 0: the row is a scope
  isExpandable: boolean;
  isExpanded: boolean;
  position: number; // among its siblings, from 1
  setSize: number;
}

/** Classes are open, what holds code is not: one looks for a name first. */
function isOpenAtFirst(scope: Scope): boolean {
  return scope.type === "CLASS" || scope.type === "MODULE" || scope.type === "FILE";
}

function linesOf(scope: Scope): number[] {
  const out: number[] = [];
  for (const [start, end] of scope.lines) {
    for (let line = start; line <= end && out.length < 100_000; line++) {
      out.push(line);
    }
  }
  return out;
}

/** `folded` says which rows a person opened or closed, by key. */
export function outlineRows(roots: Scope[], folded: ReadonlyMap<string, boolean>): OutlineRow[] {
  const out: OutlineRow[] = [];
  const addMembers = (scopes: Scope[], lines: [number, Scope][], level: number, above: string): void => {
    // In the order of the file: a scope before the line that it begins on.
    const members: [number, Scope, boolean][] = [
      ...scopes.map((scope): [number, Scope, boolean] => [scope.first, scope, true]),
      ...lines.map(([line, scope]): [number, Scope, boolean] => [line, scope, false]),
    ];
    members.sort((a, b) => a[0] - b[0] || Number(b[2]) - Number(a[2]));
    members.forEach(([line, scope, isScope], i) => {
      const key = isScope ? `${above}/${i}:${scope.name}` : `${above}/${line}`;
      const row = { key, level, scope, position: i + 1, setSize: members.length };
      if (!isScope) {
        out.push({ ...row, line, isExpandable: false, isExpanded: false });
        return;
      }
      const isExpandable = scope.scopes.length > 0 || scope.lines.length > 0;
      const isExpanded = isExpandable && (folded.get(key) ?? isOpenAtFirst(scope));
      out.push({ ...row, line: 0, isExpandable, isExpanded });
      if (isExpanded) {
        addMembers(scope.scopes, linesOf(scope).map((own) => [own, scope]), level + 1, key);
      }
    });
  };
  const scopes = roots.flatMap((root) => root.scopes);
  const lines = roots.flatMap((root) => linesOf(root).map((line): [number, Scope] => [line, root]));
  addMembers(scopes, lines, 1, "");
  return out;
}

/** "subtotal(self, quantity)" */
export function signature(scope: Scope): string {
  const names = scope.names.filter(({ type }) => type === "ARG").map(({ name }) => name);
  const isCode = scope.type === "FUNCTION" || scope.type === "METHOD" || scope.type === "CLOSURE";
  return isCode ? `(${names.join(", ")})` : "";
}

export type OutlineStep =
  | { kind: "focus"; index: number }
  | { kind: "fold"; index: number; isOpen: boolean }
  | { kind: "pick"; index: number };

/** What a key does at a row; null: nothing. */
export function outlineKey(rows: OutlineRow[], at: number, key: string, page: number): OutlineStep | null {
  const row = rows[at];
  if (row === undefined) {
    return null;
  }
  const to = (index: number): OutlineStep => ({ kind: "focus", index: Math.min(rows.length - 1, Math.max(0, index)) });
  switch (key) {
    case "ArrowDown":
      return to(at + 1);
    case "ArrowUp":
      return to(at - 1);
    case "PageDown":
      return to(at + page);
    case "PageUp":
      return to(at - page);
    case "Home":
      return to(0);
    case "End":
      return to(rows.length - 1);
    case "ArrowRight":
      if (!row.isExpandable) {
        return null;
      }
      return row.isExpanded ? to(at + 1) : { kind: "fold", index: at, isOpen: true };
    case "ArrowLeft":
      if (row.isExpanded) {
        return { kind: "fold", index: at, isOpen: false };
      }
      for (let above = at - 1; above >= 0; above--) {
        if ((rows[above]?.level ?? 0) < row.level) {
          return to(above);
        }
      }
      return null;
    case "Enter":
      return { kind: "pick", index: at };
    default:
      return null;
  }
}
