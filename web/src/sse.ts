// SPDX-License-Identifier: Apache-2.0
//
// Event streams, read from fetch(): an EventSource can not send the Authorization header.

export interface StreamEvent {
  type: string;
  data: string;
}

/** Takes a stream in pieces, cut anywhere, and gives the events that are complete. */
export class EventParser {
  private rest = "";
  private type = "";
  private data: string[] = [];

  push(piece: string): StreamEvent[] {
    const out: StreamEvent[] = [];
    // A lone CR at the end may be half of a CR LF.
    const text = this.rest + piece;
    const held = text.endsWith("\r") ? text.length - 1 : text.length;
    const lines = text.slice(0, held).split(/\r\n|\r|\n/);
    this.rest = (lines.pop() ?? "") + text.slice(held);
    for (const line of lines) {
      this.take(line, out);
    }
    return out;
  }

  private take(line: string, out: StreamEvent[]): void {
    if (line === "") {
      if (this.data.length > 0) {
        out.push({ type: this.type || "message", data: this.data.join("\n") });
      }
      this.type = "";
      this.data = [];
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") {
      this.type = value;
    } else if (field === "data") {
      this.data.push(value);
    }
  }
}

/**
 * Reads a stream to its end. `onAlive` is called for every piece, comments too: the collector
 * sends one every 15 s, so that silence means a dead connection.
 */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: StreamEvent) => void,
  onAlive: () => void,
): Promise<void> {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    onAlive();
    for (const event of parser.push(decoder.decode(value, { stream: true }))) {
      onEvent(event);
    }
  }
}
