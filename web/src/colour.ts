// SPDX-License-Identifier: Apache-2.0
//
// A little colour for source text: comments, texts, numbers, keywords. What goes over several
// lines is known by the state at which each line begins.

export type Shade = "plain" | "comment" | "text" | "number" | "keyword";

export interface Shaded {
  shade: Shade;
  text: string;
}

const COLUMNS_MOST = 1000; // of a line; the rest stays plain

const KEYWORDS: Record<string, Set<string>> = {
  python: new Set(
    ("and as assert async await break case class continue def del elif else except finally for from global if " +
      "import in is lambda match nonlocal not or pass raise return try while with yield None True False").split(" "),
  ),
  ruby: new Set(
    ("alias and begin break case class def defined? do else elsif end ensure for if in module next nil not or redo " +
      "rescue retry return self super then undef unless until when while yield true false require " +
      "require_relative private protected public attr_reader attr_accessor include extend").split(" "),
  ),
};

const TOKENS: Record<string, RegExp> = {
  python:
    /(?<comment>#.*)|(?<open>[rbfuRBFU]{0,2}(?:"""|'''))|(?<text>[rbfuRBFU]{0,2}(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?))|(?<number>\b\d[\w.]*)|(?<word>[\p{L}_][\p{L}\p{N}_]*)/uy,
  ruby:
    /(?<comment>#.*)|(?<open><<[~-]?(['"]?)[A-Z_][A-Z0-9_]*\3)|(?<text>"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|`(?:\\.|[^`\\])*`?|(?<=[(,=~]\s*)\/(?:\\.|[^/\\])+\/[a-z]*)|(?<number>\b\d[\w.]*|(?<![\w:]):[\p{L}_][\p{L}\p{N}_]*[?!=]?)|(?<word>[\p{L}_@$][\p{L}\p{N}_]*[?!]?)/uy,
};

/** Where what began on a line before ends: behind this index; -1: not on this line. */
function endOf(state: string, line: string, from: number): number {
  if (state === "=begin") {
    return line.startsWith("=end") ? line.length : -1;
  }
  if (state.startsWith("<<")) {
    return line.trim() === state.slice(2) ? line.length : -1;
  }
  const at = line.indexOf(state, from);
  return at < 0 ? -1 : at + state.length;
}

/** One line, begun in `state` ("" is none), in its shades, and the state of the next. */
export function shadeLine(language: string, state: string, line: string): { pieces: Shaded[]; state: string } {
  const token = TOKENS[language];
  const pieces: Shaded[] = [];
  const put = (shade: Shade, text: string): void => {
    const last = pieces[pieces.length - 1];
    if (last?.shade === shade) {
      last.text += text;
    } else if (text !== "") {
      pieces.push({ shade, text });
    }
  };
  if (token === undefined) {
    put("plain", line);
    return { pieces, state: "" };
  }
  let at = 0;
  let next = state;
  if (state === "" && language === "ruby" && line.startsWith("=begin")) {
    return { pieces: [{ shade: "comment", text: line }], state: "=begin" };
  }
  if (state !== "") {
    const end = endOf(state, line, 0);
    at = end < 0 ? line.length : end;
    next = end < 0 ? state : "";
    put(state === "=begin" ? "comment" : "text", line.slice(0, at));
  }
  const most = Math.min(line.length, COLUMNS_MOST);
  while (at < most) {
    token.lastIndex = at;
    const groups = token.exec(line)?.groups;
    if (groups === undefined) {
      put("plain", line[at] ?? "");
      at++;
      continue;
    }
    const { comment, open, text, number, word } = groups;
    const found = comment ?? open ?? text ?? number ?? word ?? "";
    at += found.length;
    if (open !== undefined && language === "ruby") {
      next = `<<${found.replace(/^<<[~-]?['"]?|['"]$/g, "")}`; // its text begins on the next line
      put("text", found);
    } else if (open !== undefined) {
      const quotes = found.slice(-3);
      const end = endOf(quotes, line, at);
      next = end < 0 ? quotes : "";
      put("text", found + line.slice(at, end < 0 ? undefined : end));
      at = end < 0 ? line.length : end;
    } else if (word !== undefined) {
      put(KEYWORDS[language]?.has(word) === true ? "keyword" : "plain", found);
    } else {
      put(comment !== undefined ? "comment" : text !== undefined ? "text" : "number", found);
    }
  }
  put("plain", line.slice(at));
  return { pieces, state: next };
}

/** The state at which each line begins. */
export function lineStates(language: string, lines: string[]): string[] {
  let state = "";
  return lines.map((line) => {
    const before = state;
    state = shadeLine(language, state, line).state;
    return before;
  });
}
