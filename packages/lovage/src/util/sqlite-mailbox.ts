// Wake-ups between the processes of one SQLite file: each listens on a unix socket and sends one line per wake-up.
// A lost line costs latency only, so nothing here is retried or confirmed. Called by sqlite-file.ts.
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { uuid } from './ids.ts';
import { logger } from './logger.ts';

/** Longest path (in bytes) that every system takes for a unix socket, less one for the end mark. */
const MAX_SOCKET_PATH = 100;
/** A peer that does not read is not waited for. */
const MAX_BACKLOG_BYTES = 1_000_000;

export type Listener = (payload: string | undefined) => void;

export interface Mailbox extends AsyncDisposable {
  /** Starts to listen, anew when the socket was deleted; resolves to the address that others post to: '' where no socket can be made. */
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

const log = logger('sqlite');

/** Where a socket of a file may lie: beside it, or in the temporary folder; not every file system has sockets, and no path may be too long for the system. */
export function socketPaths(file: string): readonly string[] {
  const name = uuid().slice(0, 8);
  const folder = join(tmpdir(), `lovage-${createHash('sha256').update(file).digest('hex').slice(0, 12)}`);
  const paths = [`${file}-${name}.sock`, join(folder, `${name}.sock`)];
  return paths.filter((path) => Buffer.byteLength(path) <= MAX_SOCKET_PATH);
}

export function openMailbox(file: string, gone: (address: string) => void): Mailbox {
  const listeners = new Map<string, Set<Listener>>();
  const peers = new Map<string, Socket>();
  let server: Promise<Listening | undefined> | undefined;
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
      if (own !== undefined && own !== '' && !existsSync(own)) {
        const deaf = server;
        server = undefined;
        own = undefined;
        void deaf?.then(close);
      }
      server ??= listenSomewhere(file, deliver);
      own = (await server)?.address ?? '';
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
      if (address === '') return;
      const socket = peer(address);
      if (socket.writableLength < MAX_BACKLOG_BYTES) socket.write(`${JSON.stringify([channel, payload])}\n`);
    },
    deliver,
    [Symbol.asyncDispose]: async () => {
      listeners.clear();
      for (const socket of peers.values()) socket.destroy();
      close(await server);
    },
  };
}

interface Listening {
  readonly server: Server;
  readonly sockets: ReadonlySet<Socket>;
  readonly address: string;
}

function close(opened: Listening | undefined): void {
  if (opened === undefined) return;
  opened.server.close();
  for (const socket of opened.sockets) socket.destroy();
  rmSync(opened.address, { force: true });
}

type Deliver = (channel: string, payload: string | undefined) => void;

/** Undefined where nothing can be listened at: then the once-a-second look finds everything. */
async function listenSomewhere(file: string, deliver: Deliver): Promise<Listening | undefined> {
  let reason: unknown = 'its path, and that of the temporary folder, are too long for a socket';
  for (const address of socketPaths(file)) {
    try {
      if (dirname(address) !== dirname(file)) ownFolder(dirname(address));
      return await listen(address, deliver);
    } catch (error) {
      reason = error;
    }
  }
  log.warn('{file}: no socket can be made for it, so this process is woken up to a second late: {reason}', { file, reason });
  return undefined;
}

/** The temporary folder is everybody's: what another user made there may be a trap. */
function ownFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = statSync(folder);
  if (process.getuid !== undefined && (uid !== process.getuid() || (mode & 0o022) !== 0))
    throw new Error(`${folder} belongs to somebody else, or others may write to it.`);
}

async function listen(address: string, deliver: Deliver): Promise<Listening> {
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
