// Wake-ups between the processes of one SQLite file: each listens on a unix socket and sends one line per wake-up.
// A lost line costs latency only, so nothing here is retried or confirmed. Called by sqlite-file.ts.
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uuid } from './ids.ts';

/** Longest path that every system takes for a unix socket, less one for the end mark. */
const MAX_SOCKET_PATH = 100;
/** A peer that does not read is not waited for. */
const MAX_BACKLOG_BYTES = 1_000_000;

export type Listener = (payload: string | undefined) => void;

export interface Mailbox extends AsyncDisposable {
  /** Starts to listen; resolves to the address that others post to. */
  open(): Promise<string>;
  on(channel: string, listener: Listener): Disposable;
  /** Sends to one process; `gone` is called when nobody listens there any more. */
  post(address: string, channel: string, payload: string | undefined): void;
  /** Calls the listeners of this process; without a channel all of them. */
  deliver(channel: string | undefined, payload: string | undefined): void;
  /** Whether anybody in this process listens. */
  readonly hasListeners: boolean;
  /** The address, once open. */
  readonly own: string | undefined;
}

/** Where the sockets of a file lie: beside it, or in the temporary folder when that path would be too long for the system. */
export function socketPath(file: string): string {
  const name = uuid().slice(0, 8);
  const beside = `${file}-${name}.sock`;
  if (beside.length <= MAX_SOCKET_PATH) return beside;
  const folder = join(tmpdir(), `lovage-${createHash('sha256').update(file).digest('hex').slice(0, 12)}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, `${name}.sock`);
}

export function openMailbox(file: string, gone: (address: string) => void): Mailbox {
  const listeners = new Map<string, Set<Listener>>();
  const peers = new Map<string, Socket>();
  let server: Promise<Listening> | undefined;
  let own: string | undefined;

  function deliver(channel: string | undefined, payload: string | undefined): void {
    const chosen = channel === undefined ? [...listeners.values()] : [listeners.get(channel) ?? []];
    for (const set of chosen) for (const listener of [...set]) listener(payload);
  }

  function peer(address: string): Socket {
    const known = peers.get(address);
    if (known !== undefined) return known;
    const socket = connect(address).unref();
    peers.set(address, socket);
    socket.on('error', () => gone(address));
    socket.on('close', () => peers.delete(address));
    socket.resume();
    return socket;
  }

  return {
    get hasListeners() {
      return listeners.size > 0;
    },
    get own() {
      return own;
    },
    open: async () => {
      server ??= listen(file, deliver).catch((error: unknown) => {
        server = undefined;
        throw error;
      });
      own = (await server).address;
      return own;
    },
    on: (channel, listener) => {
      const set = listeners.get(channel) ?? new Set();
      listeners.set(channel, set.add(listener));
      return {
        [Symbol.dispose]: () => {
          set.delete(listener);
          if (set.size === 0 && listeners.get(channel) === set) listeners.delete(channel);
        },
      };
    },
    post: (address, channel, payload) => {
      if (address === own) return queueMicrotask(() => deliver(channel, payload));
      const socket = peer(address);
      if (socket.writableLength < MAX_BACKLOG_BYTES) socket.write(`${JSON.stringify([channel, payload])}\n`);
    },
    deliver,
    [Symbol.asyncDispose]: async () => {
      listeners.clear();
      for (const socket of peers.values()) socket.destroy();
      const opened = await server?.catch(() => undefined);
      if (opened === undefined) return;
      opened.server.close();
      for (const socket of opened.sockets) socket.destroy();
      rmSync(opened.address, { force: true });
    },
  };
}

interface Listening {
  readonly server: Server;
  readonly sockets: ReadonlySet<Socket>;
  readonly address: string;
}

async function listen(file: string, deliver: (channel: string, payload: string | undefined) => void): Promise<Listening> {
  const address = socketPath(file);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    socket.unref();
    socket.setEncoding('utf8');
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    let rest = '';
    socket.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) read(line, deliver);
    });
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(address, resolve);
  await promise;
  server.unref();
  chmodSync(address, 0o600);
  return { server, sockets, address };
}

function read(line: string, deliver: (channel: string, payload: string | undefined) => void): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return; // not ours; the next look at the file finds what there is to find
  }
  if (!Array.isArray(parsed) || typeof parsed[0] !== 'string') return;
  deliver(parsed[0], typeof parsed[1] === 'string' ? parsed[1] : undefined);
}
