import type { Problem } from '@cropstream/api';

/** What an HTTP API at `http` answers, for tests. */
export class ApiClient {
  constructor(
    private readonly http: string,
    private readonly token?: string,
  ) {}

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.token !== undefined) headers.set('authorization', `Bearer ${this.token}`);
    return fetch(`${this.http}/api/v1${path}`, { ...init, headers });
  }

  async get<T>(path: string): Promise<T> {
    return this.#json(path, await this.fetch(path));
  }

  async post<T>(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    return this.#json(path, await this.send(path, body, headers));
  }

  send(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    if (body === undefined) return this.fetch(path, { method: 'POST', headers });
    const json = { 'content-type': 'application/json', ...headers };
    return this.fetch(path, { method: 'POST', body: JSON.stringify(body), headers: json });
  }

  /** The problem that a request is refused with. */
  async problem(path: string, init: RequestInit = {}): Promise<Problem> {
    const response = await this.fetch(path, init);
    const type = response.headers.get('content-type') ?? '';
    if (!type.startsWith('application/problem+json')) {
      throw new Error(`${path}: ${response.status} ${type} ${await response.text()}`);
    }
    return (await response.json()) as Problem;
  }

  async bytes(path: string): Promise<{ readonly bytes: Buffer; readonly headers: Headers }> {
    const response = await this.fetch(path);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return { bytes: Buffer.from(await response.arrayBuffer()), headers: response.headers };
  }

  /** The events of a stream as they come, until the reader stops. */
  async *events(
    path: string,
  ): AsyncGenerator<{ readonly name: string; readonly id: string; readonly data: unknown }> {
    const ending = new AbortController();
    const response = await this.fetch(path, { signal: ending.signal });
    if (!response.ok || response.body === null) throw new Error(`${path}: ${response.status}`);
    let text = '';
    try {
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const fields = new Map(
            text
              .slice(0, end)
              .split('\n')
              .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
          );
          text = text.slice(end + 2);
          const [name, id, data] = ['event', 'id', 'data'].map((field) => fields.get(field) ?? '');
          if (name) yield { name, id: id ?? '', data: JSON.parse(data ?? '') };
        }
      }
    } finally {
      ending.abort();
    }
  }

  async #json<T>(path: string, response: Response): Promise<T> {
    const body = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${body}`);
    return JSON.parse(body) as T;
  }
}
