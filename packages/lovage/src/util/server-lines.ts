// The lines of this process to one server, looked at together. A router that forgets one idle line forgets them all, and a process that
// notices them one after the other pays a time-out for each. When one is silent for suspiciously long, a new line is opened beside it: a
// server that is slow, stopped or away answers that one no sooner than the old ones. If it does, every line has a moment to show that it
// lives, and those that still say nothing are cut. Called by redis-client.ts and amqp-client.ts; it costs nothing while lines speak.
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { sleep } from './deadline.ts';

/** One open line. */
export interface ServerLine {
  /** Bytes that have come so far. */
  readonly received: number;
  /** Its silence says nothing now: it has more to bring to the server than may have got there, or the server takes nothing from it. */
  readonly isExcused: boolean;
  /** Makes the server owe an answer, if it does not yet. */
  ask(): void;
  cut(reason: Error): void;
}

/** Opens a line of its own to the server, and resolves when the server has answered on it. */
export type Knock = () => Promise<void>;

export interface ServerLines {
  /** Takes part until the returned function is called. */
  join(address: string, line: ServerLine): () => void;
  /** Silence that need not mean anything. Resolves to how many lines were cut for it. */
  suspect(address: string, knock: Knock): Promise<number>;
  /** The silence of a line that is given up in any case: the others are looked at, even if they were just now. */
  gaveUp(address: string, knock: Knock): Promise<number>;
}

/** Seconds that a line has to answer once the new one was answered: enough for a packet or two that have to be sent again. */
const PATIENCE = 2;
/** Milliseconds in which a server that was only slow is not suspected again. */
const TRUST_MS = 600_000;

interface Server {
  readonly lines: Set<ServerLine>;
  check: Promise<number> | undefined;
  trustedUntil: number;
}

/** @param patience Seconds. */
export function createServerLines(patience: number = PATIENCE): ServerLines {
  const servers = new Map<string, Server>();

  async function check(server: Server, knock: Knock): Promise<number> {
    const received = new Map<ServerLine, number>();
    for (const line of server.lines) {
      received.set(line, line.received);
      line.ask();
    }
    const began = performance.now();
    try {
      await knock();
    } catch {
      return 0;
    }
    // Who has further to go than the new line gets longer.
    await sleep(Math.max(patience, (2 * (performance.now() - began)) / 1000), undefined, { ref: false });
    // What came while this process was busy is read first.
    await turn();
    const dead = [...received].filter(([line, before]) => server.lines.has(line) && !line.isExcused && line.received === before);
    for (const [line] of dead) line.cut(new Error('the server answers a new connection, but nothing comes on this one'));
    return dead.length;
  }

  function begin(server: Server, knock: Knock): Promise<number> {
    server.check ??= check(server, knock)
      .then((cut) => {
        if (cut === 0) server.trustedUntil = performance.now() + TRUST_MS;
        return cut;
      })
      .finally(() => {
        server.check = undefined;
      });
    return server.check;
  }

  return {
    join: (address, line) => {
      const server = servers.get(address) ?? { lines: new Set(), check: undefined, trustedUntil: 0 };
      servers.set(address, server);
      server.lines.add(line);
      return () => {
        server.lines.delete(line);
        if (server.lines.size === 0 && servers.get(address) === server) servers.delete(address);
      };
    },
    suspect: async (address, knock) => {
      const server = servers.get(address);
      return server === undefined || performance.now() < server.trustedUntil ? 0 : begin(server, knock);
    },
    gaveUp: async (address, knock) => {
      const server = servers.get(address);
      return server === undefined ? 0 : begin(server, knock);
    },
  };
}

/** Those of this process. */
export const serverLines: ServerLines = createServerLines();

/** Bytes that a line may owe the server and still be thought to have brought. */
const NARROW = 2 ** 18;

/** What a socket tells when it is looked at, now and then: nothing is done when bytes come or go. */
export class SocketSigns {
  readonly #socket: Socket;
  #received: number;
  #sentBefore: number;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#received = socket.bytesRead;
    this.#sentBefore = socket.bytesWritten;
  }

  get received(): number {
    return this.#socket.bytesRead;
  }

  /** Has anything come since the last look? */
  look(): boolean {
    const received = this.#socket.bytesRead;
    if (received === this.#received) return false;
    this.#received = received;
    this.#sentBefore = this.#socket.bytesWritten;
    return true;
  }

  /** So much was sent since something came that on a narrow line it may still be on its way. */
  get isBringing(): boolean {
    return this.#socket.bytesWritten - this.#sentBefore > NARROW;
  }
}
