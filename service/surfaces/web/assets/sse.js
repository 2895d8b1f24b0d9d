// Server-Sent Events out of a response body: an EventSource can't POST a question.
// Follows "Parsing an event stream" of the HTML standard; ids and reconnection times are ignored.

/** Takes text as it comes, in pieces of any size, and calls `onEvent({event, data})`. */
export class EventStreamParser {
  #onEvent;
  #rest = "";
  #first = true;
  #event = "";
  #data = [];

  constructor(onEvent) {
    this.#onEvent = onEvent;
  }

  feed(text) {
    if (this.#first && text) {
      text = text.replace(/^\uFEFF/, "");
      this.#first = false;
    }
    this.#rest += text;
    // A carriage return at the very end may be the first half of a line's end: it waits.
    for (let end; (end = /\r\n|\n|\r(?!$)/.exec(this.#rest));) {
      const line = this.#rest.slice(0, end.index);
      this.#rest = this.#rest.slice(end.index + end[0].length);
      this.#line(line);
    }
  }

  /** The stream is over. An event without the empty line after it is incomplete, and dropped. */
  end() {
    if (this.#rest === "\r") this.feed("\n");
    this.#rest = "";
    this.#data = [];
  }

  #line(line) {
    if (line === "") {
      if (this.#data.length)
        this.#onEvent({ event: this.#event || "message", data: this.#data.join("\n") });
      this.#event = "";
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
  }
}

/** Reads a response body to its end. Raises what the network raises. */
export async function readEvents(body, onEvent) {
  const parser = new EventStreamParser(onEvent);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parser.feed(decoder.decode(value, { stream: true }));
  }
  parser.feed(decoder.decode());
  parser.end();
}
