/** Web servers for tests, closed when the test ends. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** @returns its url, without a slash at the end */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers for files by their paths: ranges and If-Match, as web servers do. */
export function filesBy(files: Readonly<Record<string, string | Uint8Array>>): RequestListener {
  return (request, response) => {
    const file = files[request.url ?? ''];
    if (file === undefined) return response.writeHead(404).end();
    const body = Buffer.from(file);
    const etag = `"${body.length}"`;
    if ((request.headers['if-match'] ?? etag) !== etag) return response.writeHead(412).end();
    const [, from, to = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const part =
      from === undefined ? body : body.subarray(Number(from), to === '' ? undefined : Number(to) + 1);
    if (from !== undefined && part.length === 0) return response.writeHead(416).end();
    const range = from && {
      'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${body.length}`,
    };
    return response
      .writeHead(from === undefined ? 200 : 206, { etag, 'content-length': part.length, ...range })
      .end(part);
  };
}
