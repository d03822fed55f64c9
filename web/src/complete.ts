// SPDX-License-Identifier: Apache-2.0
//
// Names and files for what is being typed: asked for when the typing pauses, one question at a
// time, and never an answer to an older question.
import { isFileQuery } from "./place";
import type { FileEntry, SymbolHit } from "./symbols";

const PAUSE_MS = 60;
export const HITS_MOST = 60;

export type Hit = { what: "symbol"; symbol: SymbolHit } | { what: "file"; file: FileEntry };

export interface Answer {
  query: string;
  hits: Hit[];
  hasMore: boolean;
}

export type Ask = (query: string, service: string, signal: AbortSignal) => Promise<Answer>;
export type Later = (run: () => void, ms: number) => () => void;

const later: Later = (run, ms) => {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
};

export class Completer {
  private abort = new AbortController();
  private cancel: () => void = () => {};

  /** `onAnswer` gets null where the question was not answered. */
  constructor(
    private readonly ask: Ask,
    private readonly onAnswer: (answer: Answer | null, query: string) => void,
    private readonly wait: Later = later,
  ) {}

  type(query: string, service: string): void {
    this.stop();
    if (query.trim() === "") {
      this.onAnswer({ query, hits: [], hasMore: false }, query);
      return;
    }
    const abort = new AbortController();
    this.abort = abort;
    this.cancel = this.wait(() => void this.run(query, service, abort.signal), PAUSE_MS);
  }

  stop(): void {
    this.cancel();
    this.abort.abort();
  }

  private async run(query: string, service: string, signal: AbortSignal): Promise<void> {
    let answer: Answer | null = null;
    try {
      answer = await this.ask(query, service, signal);
    } catch {
      // Away, or without symbols: the box is a plain one.
    }
    if (!signal.aborted) {
      this.onAnswer(answer, query);
    }
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** How well it fits: 0 is the name itself, 1 begins so, 2 is any other way; user code first. */
function rankOf(name: string, origin: string, query: string): number {
  const lower = name.toLowerCase();
  const fit = lower === query || lower.replace(/\.\w+$/, "") === query ? 0 : lower.startsWith(query) ? 1 : 2;
  return fit * 2 + (origin === "user" ? 0 : 1);
}

/**
 * Both lists as one, each in the collector's order: a file stands where its own name fits as well
 * as the names around it. What looks like a path is one: files come first.
 */
export function mergeHits(query: string, symbols: SymbolHit[], files: FileEntry[]): Hit[] {
  const names: Hit[] = symbols.map((symbol) => ({ what: "symbol", symbol }));
  const paths: Hit[] = files.map((file) => ({ what: "file", file }));
  if (isFileQuery(query)) {
    return [...paths, ...names].slice(0, HITS_MOST);
  }
  const wanted = query.trim().toLowerCase();
  const fits = files.map((file) => rankOf(baseName(file.file), file.origin, wanted));
  const out: Hit[] = [];
  let rank = 0;
  let next = 0;
  symbols.forEach((symbol, i) => {
    rank = Math.max(rank, rankOf(symbol.name, symbol.origin, wanted));
    while (next < paths.length && (fits[next] ?? 0) < rank) {
      out.push(paths[next++] as Hit);
    }
    out.push(names[i] as Hit);
  });
  return [...out, ...paths.slice(next)].slice(0, HITS_MOST);
}
