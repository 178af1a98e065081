// The wait of an idle holder that knows one hop only. On a connection of its own lie two commands, one behind the other: a BLMOVE of the
// list onto itself, which blocks while the list is empty and changes nothing, and the holder's next take. The server runs the second the
// moment the first ends, so a message is on its way to the worker before anybody had to be told and to ask.
// Called by holder.ts, which also says what becomes of an answer that is lost.
import type { Redis } from 'ioredis';
import { isReplyError, logger, type RedisLine } from '../../util/index.ts';
import type { RedisContext } from './context.ts';
import { LEAN_TURN, TURN } from './scripts.ts';
import type { Request } from './turn-request.ts';

const log = logger('broker', 'redis');
/** Seconds of one block at most: a frozen process must not take when its lease may be over, and a silent line must show. */
const MAX_BLOCK = 1;
/** Milliseconds without another try after the server refused to block (no memory, no right, a key that is no list). */
const REFUSED_MS = 10_000;

export interface Waiting extends AsyncDisposable {
  /** Connects, and connects again by itself. */
  connect(): void;
  /** Can a take be laid out now? */
  readonly isOpen: boolean;
  /** What `send` sends leaves in one write. */
  together<T>(send: () => T): T;
  /** A turn that is not behind a wait, as long as none is. */
  turn(request: Request): Promise<unknown>;
  /** Lays out a take behind the wait for `list`. Resolves to its answer; rejects when that was lost. */
  take(list: string, request: Request): Promise<unknown>;
  /** Ends the wait at once; the take behind it then looks, and is answered. */
  stop(): void;
}

export interface WaitingParts {
  /** Called with each connection before anything is sent over it. */
  readonly prepare: (client: Redis) => Promise<void>;
  /** Called whenever it is open. */
  readonly opened: () => void;
}

/** A connection that is not open yet. */
export function createWaiting(context: RedisContext, node: string, { prepare, opened }: WaitingParts): Waiting {
  let id: number | undefined;
  let refusedAt = Number.NEGATIVE_INFINITY;
  const line: RedisLine = context.open({
    name: `lovage:wait:${node}`.replaceAll(/\s/g, '_'),
    prepare: async (client) => {
      await prepare(client);
      id = Number(await client.client('ID'));
      // A turn whose script is unknown is sent once more: then it would lie behind the wait.
      await Promise.all([TURN, LEAN_TURN].map(({ lua }) => client.script('LOAD', lua)));
    },
  });
  line.observe({ up: opened });
  const block = Math.min(MAX_BLOCK, context.transport.pollingInterval, context.leaseMs / 4000);

  const refused = (error: unknown): void => {
    // UNBLOCKED and the like are answers of a server that goes away, and the take says so too.
    if (!isReplyError(error) || !/^(OOM|NOPERM|WRONGTYPE|ERR)/.test(error.message)) return;
    refusedAt = performance.now();
    log.debug('The server does not let this worker wait for a list, so it is told and asks: {error}', { error });
  };

  return {
    connect: () => void line.ready().catch(() => undefined),
    get isOpen() {
      return line.isConnected && performance.now() - refusedAt > REFUSED_MS;
    },
    together: (send) => line.together(send),
    turn: ({ script, keys, args }) => line.evaluate(script, keys, args),
    take: (list, { script, keys, args }) =>
      line.together(() => {
        line.call('BLMOVE', [list, list, 'RIGHT', 'RIGHT', block]).catch(refused);
        return line.evaluate(script, keys, args);
      }),
    stop: () => {
      if (id !== undefined && context.line.isConnected) context.line.call('CLIENT', ['UNBLOCK', id]).catch(() => undefined);
    },
    [Symbol.asyncDispose]: () => line[Symbol.asyncDispose](),
  };
}
