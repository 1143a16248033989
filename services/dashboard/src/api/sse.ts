/** One event of a text/event-stream. */
export interface ServerEvent {
  /** `message` where the stream names none. */
  readonly event: string;
  readonly data: string;
  /** Of this event or the last that had one; empty before. */
  readonly id: string;
}

/** A longer event is no event of ours: the stream is given up. */
const MAX_EVENT_CHARACTERS = 8 * 1024 * 1024;

/**
 * The events of a stream of bytes, as the HTML standard parses them. EventSource itself cannot send a bearer token.
 * Comments (keep-alives) are told as null, so that a reader sees that the stream lives.
 * @throws RangeError for an event over 8 Mi characters
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<ServerEvent | null> {
  let rest = '';
  let event = '';
  let data: string[] = [];
  let id = '';
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      if (rest.length > MAX_EVENT_CHARACTERS) throw new RangeError('an event is over 8 Mi characters');
      // A carriage return at the end may be half of a line's end.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0) yield { event: event || 'message', data: data.join('\n'), id };
          event = '';
          data = [];
          continue;
        }
        if (line.startsWith(':')) {
          yield null;
          continue;
        }
        const colon = line.indexOf(':');
        const field = colon < 0 ? line : line.slice(0, colon);
        const content = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (field === 'event') event = content;
        else if (field === 'data') data.push(content);
        else if (field === 'id') id = content;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
