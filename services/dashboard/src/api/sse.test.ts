import { expect, test } from 'vitest';
import { readEvents, type ServerEvent } from './sse.js';

async function events(...parts: string[]): Promise<(ServerEvent | null)[]> {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (const part of parts) controller.enqueue(encoder.encode(part));
      controller.close();
    },
  });
  const read: (ServerEvent | null)[] = [];
  for await (const event of readEvents(body)) read.push(event);
  return read;
}

test('an event has a name, lines of data and an id; the id stays until another comes', async () => {
  expect(await events('id: 7\nevent: fleet\ndata: {"a":\ndata: 1}\n\ndata:x\n\n')).toEqual([
    { event: 'fleet', data: '{"a":\n1}', id: '7' },
    { event: 'message', data: 'x', id: '7' },
  ]);
});

test('however the bytes are cut, the events are the same', async () => {
  const stream = 'event: run\r\ndata: {"name":"größe"}\r\nid: 2\r\n\r\n: alive\r\n\r\ndata: b\r\n\r\n';
  const whole = await events(stream);
  expect(whole).toHaveLength(3);
  for (let at = 1; at < stream.length; at++) {
    expect(await events(stream.slice(0, at), stream.slice(at))).toEqual(whole);
  }
});

test('a comment says that the stream lives, and an event without data is none', async () => {
  expect(await events(': keep-alive\n\nevent: x\n\n')).toEqual([null]);
});

test('what a cut stream had begun is no event', async () => {
  expect(await events('data: whole\n\ndata: ha')).toEqual([{ event: 'message', data: 'whole', id: '' }]);
});

test('an event without an end is given up', async () => {
  const piece = 'x'.repeat(1 << 20);
  await expect(events('data: ', ...Array<string>(9).fill(piece))).rejects.toThrow(RangeError);
});
