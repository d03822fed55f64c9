// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventParser, readEvents, type StreamEvent } from "../../src/sse";

const STREAM =
  ": hello\n\nevent: snapshot\ndata: {\"id\":\"a\"}\n\n" +
  "event: lagged\r\ndata: {\"count\": 3}\r\n\r\n:\n\n" +
  "data: two\ndata: lines\n\nevent: without-data\n\ndata:no space\rid: 7\r\r";
const EVENTS: StreamEvent[] = [
  { type: "snapshot", data: '{"id":"a"}' },
  { type: "lagged", data: '{"count": 3}' },
  { type: "message", data: "two\nlines" },
  { type: "message", data: "no space" },
];

test("a stream gives the same events wherever it is cut", () => {
  // Proves: comments, all three line ends, several data lines, and no event without data, for
  // every way to cut the stream in two, also within CR LF; the last CR is known when more comes.
  for (let cut = 0; cut <= STREAM.length; cut++) {
    const parser = new EventParser();
    const events = [
      ...parser.push(STREAM.slice(0, cut)),
      ...parser.push(STREAM.slice(cut)),
      ...parser.push(": end\n"),
    ];
    assert.deepEqual(events, EVENTS, `cut at ${cut}`);
  }
});

test("a stream that comes byte by byte keeps its characters", async () => {
  // Proves: a character of several bytes is not broken by the pieces of the network, and every
  // piece counts as a sign of life, comments too.
  const bytes = new TextEncoder().encode(": é\n\ndata: Zoë 日本 \u{1f600}\n\n");
  let alive = 0;
  const events: StreamEvent[] = [];
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      bytes.forEach((byte) => controller.enqueue(new Uint8Array([byte])));
      controller.close();
    },
  });
  await readEvents(body, (event) => events.push(event), () => alive++);
  assert.deepEqual(events, [{ type: "message", data: "Zoë 日本 \u{1f600}" }]);
  assert.equal(alive, bytes.length);
});
