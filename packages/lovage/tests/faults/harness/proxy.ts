// A TCP proxy for faults: delays, throttles, freezes one direction or both, cuts with FIN or RST, all lines at once or the one line on
// which a chosen point of the protocol is reached (a trap).
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../../../../../scripts/servers/index.ts';
import { ACK, amqpReader, type Passed, PUBLISH, type Reader, redisReaders } from './wire.ts';

/** `up`: towards the server. */
export type Direction = 'up' | 'down';
export type Cut = 'rst' | 'fin';

/** A point of the protocol, and what to do there. Springs once. */
export interface Trap {
  readonly direction: Direction;
  /** Called for all that passes on any line, in both directions; true: here. */
  here(passed: Passed, direction: Direction, line: number): boolean;
  /** Bytes of it that still pass. @default 0 */
  readonly bytes?: number;
  /** `freeze` keeps the line open and lets nothing more pass in this direction. */
  readonly act: Cut | 'freeze';
}

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections open now. */
  readonly open: number;
  /** Connections made so far. */
  readonly made: number;
  /** The URL with host and port replaced by the proxy's. */
  url(original: string): string;
  /** Ends every open connection; resolves to how many. */
  cut(how?: Cut): number;
  /** Nothing passes in these directions, on lines old and new, until thaw: no byte, and no end of a line either. */
  freeze(direction?: Direction | 'both'): void;
  thaw(): void;
  /** Nothing passes any more on the lines that are open now, and no end of them either: as when a router has forgotten them. New ones work. */
  forget(): void;
  /** Milliseconds by which each chunk comes later (or a number for each), bytes a second and direction, bytes a write; 0: as they come. */
  slow(options: { readonly delay?: number | (() => number); readonly rate?: number; readonly segment?: number }): void;
  /** Resolves when the trap has sprung. */
  trap(trap: Trap): Promise<void>;
}

/** After the n-th publish from now has passed, before its confirm passes: the line is cut. */
export function beforeConfirm(n: number, act: Cut = 'rst'): Trap {
  let left = n;
  let line: number | undefined;
  return {
    direction: 'down',
    act,
    here: ({ name }, direction, at) => {
      if (direction === 'up' && name === PUBLISH && --left === 0) line = at;
      return direction === 'down' && name === ACK && at === line;
    },
  };
}

/** Before the n-th ack of a worker from now. */
export function beforeAck(n: number, act: Cut = 'rst'): Trap {
  let left = n;
  return { direction: 'up', act, here: ({ name }, direction) => direction === 'up' && name === ACK && --left === 0 };
}

/** In the n-th reply from now that `is` likes, behind `bytes` of it. */
export function inReply(
  n: number,
  is: (passed: Passed) => boolean,
  { bytes = 0, act = 'rst' }: { readonly bytes?: number; readonly act?: Trap['act'] } = {},
): Trap {
  let left = n;
  return { direction: 'down', act, bytes, here: (passed, direction) => direction === 'down' && is(passed) && --left === 0 };
}

/** In the n-th request from now that `is` likes, behind `bytes` of it. */
export function inRequest(
  n: number,
  is: (passed: Passed) => boolean,
  { bytes = 0, act = 'rst' }: { readonly bytes?: number; readonly act?: Trap['act'] } = {},
): Trap {
  let left = n;
  return { direction: 'up', act, bytes, here: (passed, direction) => direction === 'up' && is(passed) && --left === 0 };
}

interface Line {
  readonly near: Socket;
  readonly far: Socket;
  /** Set when a router has forgotten it; resolves when the proxy ends. */
  forgotten?: Promise<void>;
}

interface Armed {
  readonly trap: Trap;
  readonly sprung: () => void;
}

export async function startFaultProxy(targetUrl: string): Promise<FaultProxy> {
  const target = new URL(targetUrl.replace(/^[\w+]+:/, 'http:'));
  const isAmqp = targetUrl.startsWith('amqp');
  const lines = new Set<Line>();
  const frozen = new Set<Direction>();
  let thawed = Promise.withResolvers<void>();
  let armed: Armed[] = [];
  let made = 0;
  let lateness: number | (() => number) = 0;
  let rate = 0;
  let segment = 0;
  const ended = Promise.withResolvers<void>();

  function end({ near, far }: Line, how: Cut): void {
    for (const socket of [near, far]) {
      if (how === 'fin') socket.destroySoon();
      // Node 24 loses a socket that is reset while its end is on its way: it is never closed, and the process spins at its exit.
      else if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  function read(readers: Readonly<Record<Direction, Reader>>, direction: Direction, chunk: Buffer): readonly Passed[] {
    return readers[direction](chunk);
  }

  /** The trap that what has just come springs, and how many bytes from the chunk's start still pass. */
  function springs(
    passed: readonly Passed[],
    direction: Direction,
    number: number,
  ): { trap: Trap; stop: number; sprung(): void } | undefined {
    for (const piece of passed) {
      const hit = armed.find(({ trap }) => trap.here(piece, direction, number));
      if (hit === undefined) continue;
      armed = armed.filter((other) => other !== hit);
      return { trap: hit.trap, stop: piece.start + (hit.trap.bytes ?? 0), sprung: hit.sprung };
    }
    return undefined;
  }

  async function pump(
    line: Line,
    direction: Direction,
    readers: Readonly<Record<Direction, Reader>>,
    number: number,
  ): Promise<void> {
    const [from, to] = direction === 'up' ? [line.near, line.far] : [line.far, line.near];
    let place = 0;
    // A frozen line stays open, so leaving the loop must not end the socket.
    for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      while (frozen.has(direction)) await thawed.promise;
      if (line.forgotten !== undefined) await line.forgotten;
      const late = typeof lateness === 'number' ? lateness : lateness();
      if (late > 0) await delay(late);
      const hit = springs(read(readers, direction, chunk), direction, number);
      if (hit !== undefined) {
        // What of it has passed with an earlier chunk cannot be held back any more.
        const rest = chunk.subarray(0, Math.max(0, hit.stop - place));
        if (rest.length > 0) await new Promise<void>((done) => to.write(rest, () => done()));
        if (hit.trap.act === 'freeze') {
          from.pause();
          hit.sprung();
          return;
        }
        end(line, hit.trap.act);
        hit.sprung();
        return;
      }
      place += chunk.length;
      await pass(to, chunk);
    }
    while (frozen.has(direction)) await thawed.promise;
    if (line.forgotten !== undefined) await line.forgotten;
    to.end();
  }

  async function pass(to: Socket, chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const size = segment > 0 ? segment : rate > 0 ? Math.max(1, Math.ceil(rate / 50)) : chunk.length;
      if (!to.write(chunk.subarray(at, at + size)) && !to.destroyed)
        await new Promise<void>((done) => {
          to.once('drain', done).once('close', () => done());
        });
      at += size;
      if (rate > 0) await delay(20);
    }
  }

  function accept(near: Socket): void {
    const far = connect({ port: Number(target.port), host: target.hostname });
    const line: Line = { near, far };
    const number = ++made;
    lines.add(line);
    const gone = (direction: Direction, how: Cut) => async (): Promise<void> => {
      while (frozen.has(direction)) await thawed.promise;
      if (line.forgotten !== undefined) await line.forgotten;
      if (!lines.delete(line)) return;
      end(line, how);
    };
    for (const [socket, direction] of [
      [near, 'up'],
      [far, 'down'],
    ] as const)
      socket
        .setNoDelay(true)
        .on('error', () => void gone(direction, 'rst')())
        .once('close', () => void gone(direction, 'fin')());
    const readers = isAmqp ? { up: amqpReader(), down: amqpReader() } : redisReaders();
    for (const direction of ['up', 'down'] as const)
      pump(line, direction, readers, number).catch(() => void gone(direction, 'rst')());
  }

  const server: Server = createServer({ allowHalfOpen: true }, accept);
  const port = await freePorts();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const cut = (how: Cut = 'rst'): number => {
    const dying = [...lines];
    for (const line of dying) {
      lines.delete(line);
      end(line, how);
    }
    return dying.length;
  };
  const thaw = (): void => {
    frozen.clear();
    thawed.resolve();
    thawed = Promise.withResolvers();
  };
  return {
    port,
    get open() {
      return lines.size;
    },
    get made() {
      return made;
    },
    url: (original) => original.replace(`${target.hostname}:${target.port}`, `127.0.0.1:${port}`),
    cut,
    freeze: (direction = 'both') => {
      if (direction !== 'down') frozen.add('up');
      if (direction !== 'up') frozen.add('down');
    },
    thaw,
    forget: () => {
      for (const line of lines) line.forgotten = ended.promise;
    },
    slow: (options) => {
      lateness = options.delay ?? lateness;
      rate = options.rate ?? rate;
      segment = options.segment ?? segment;
    },
    trap: (trap) => new Promise((resolve) => armed.push({ trap, sprung: resolve })),
    [Symbol.asyncDispose]: async () => {
      cut();
      thaw();
      ended.resolve();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
