// A line to one memcached in its text protocol: commands in order, pipelined; reconnects at the next command. Called by servers.ts.
import { connect, type Socket } from 'node:net';
import { BackendError } from '../../util/index.ts';

/** A value as memcached keeps it. */
export interface Cached {
  readonly value: Buffer;
  /** The number that `cas` compares. */
  readonly cas: string;
}

/** What a command waits for. */
interface Awaited {
  readonly values: Map<string, Cached>;
  readonly resolve: (answer: string) => void;
  readonly reject: (error: Error) => void;
}

export interface MemcachedLine extends Disposable {
  /** `gets` of some keys. */
  gets(keys: readonly string[]): Promise<ReadonlyMap<string, Cached>>;
  /** Any command that answers with one line, with the bytes that follow it, if any. Throws BackendError on an error line. */
  command(line: string, body?: Uint8Array): Promise<string>;
}

export interface MemcachedLineOptions {
  readonly host: string;
  readonly port: number;
  /** Seconds, for the connection and for each answer. */
  readonly timeout: number;
}

const END = Buffer.from('\r\n');

/** Opens a line; it connects at the first command. */
export function openMemcached({ host, port, timeout }: MemcachedLineOptions): MemcachedLine {
  const place = `${host}:${port}`;
  let socket: Socket | undefined;
  let waiting: Awaited[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let closed = false;

  function lost(of: Socket, why: string): void {
    of.destroy();
    if (socket !== of) return;
    socket = undefined;
    rest = Buffer.alloc(0);
    const orphans = waiting;
    waiting = [];
    for (const { reject } of orphans) reject(new BackendError(`The memcached at ${place} ${why}.`));
  }

  function connected(): Socket {
    if (socket !== undefined) return socket;
    const opened = connect({ host, port, noDelay: true, timeout: timeout * 1000 }).unref();
    opened.on('data', (chunk) => {
      if (socket === opened) read(chunk);
    });
    // Silence matters only while an answer is due.
    opened.on('timeout', () => {
      if (waiting.length > 0) lost(opened, `has not answered for ${timeout} s`);
    });
    opened.on('error', (error) => lost(opened, `cannot be reached: ${error.message}`));
    opened.on('close', () => lost(opened, 'closed the connection'));
    socket = opened;
    return opened;
  }

  function read(chunk: Buffer): void {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (;;) {
      const end = rest.indexOf(END, at);
      if (end < 0) break;
      const line = rest.toString('utf8', at, end);
      const [word, key, , length, cas] = line.split(' ');
      if (word === 'VALUE' && key !== undefined) {
        const from = end + 2;
        const to = from + Number(length);
        if (rest.length < to + 2) break;
        // A copy: the chunk it lies in would stay in memory as long as the value.
        waiting[0]?.values.set(key, { value: Buffer.from(rest.subarray(from, to)), cas: cas ?? '' });
        at = to + 2;
      } else {
        at = end + 2;
        waiting.shift()?.resolve(line);
      }
    }
    rest = rest.subarray(at);
  }

  function send(
    text: string,
    body: Uint8Array | undefined,
  ): Promise<{ readonly answer: string; readonly values: Map<string, Cached> }> {
    if (closed) return Promise.reject(new BackendError(`The line to memcached at ${place} was closed.`, { transient: false }));
    return new Promise((resolve, reject) => {
      const values = new Map<string, Cached>();
      const to = connected();
      waiting.push({ values, resolve: (answer) => resolve({ answer, values }), reject });
      to.cork();
      to.write(`${text}\r\n`);
      if (body !== undefined) to.write(body);
      if (body !== undefined) to.write(END);
      to.uncork();
    });
  }

  async function command(text: string, body?: Uint8Array): Promise<string> {
    const { answer } = await send(text, body);
    if (!/^(ERROR|CLIENT_ERROR|SERVER_ERROR)/.test(answer)) return answer;
    const isFull = answer.includes('out of memory');
    const cure = answer.includes('too large') ? ' Start it with a larger -I (the default is 1m).' : '';
    throw new BackendError(`The memcached at ${place} refused: ${answer}.${cure}`, { transient: isFull });
  }

  return {
    gets: async (keys) => {
      const { answer, values } = await send(`gets ${keys.join(' ')}`, undefined);
      if (answer !== 'END') throw new BackendError(`The memcached at ${place} refused: ${answer}`, { transient: false });
      return values;
    },
    command,
    [Symbol.dispose]: () => {
      closed = true;
      if (socket !== undefined) lost(socket, 'was left');
    },
  };
}
