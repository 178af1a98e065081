// The listening connection of a holder: invalidations that wake it, and broadcasts for its fanout queues. Speaks RESP2, since the
// client drops RESP3's invalidation messages.
import type { Redis } from 'ioredis';
import { logger, type RedisLine } from '../../util/index.ts';
import type { RedisContext } from './context.ts';

const INVALIDATIONS = '__redis__:invalidate';
/** Milliseconds between pings: a line cut without a word would leave the worker deaf. */
const PING_MS = 15_000;
const log = logger('broker', 'redis');

/** Receives the envelope of a broadcast. */
type Receive = (raw: string) => void;

export interface Listener extends AsyncDisposable {
  readonly line: RedisLine;
  /** Connection id to which the server sends invalidations; undefined while there is none. */
  readonly id: number | undefined;
  subscribe(pattern: string, receive: Receive): Promise<void>;
  unsubscribe(pattern: string): Promise<void>;
}

/** Hears which keys have changed; undefined: any. */
type Woken = (keys: readonly string[] | undefined) => void;

/** Opens the connection. `woken` is called at each invalidation, `changed` when the connection is another one (or gone). */
export function createListener(context: RedisContext, node: string, woken: Woken, changed: () => void): Listener {
  const receivers = new Map<string, Receive>();
  let id: number | undefined;
  const line = context.open({
    name: `lovage:listen:${node}`.replaceAll(/\s/g, '_'),
    protocol: 2,
    prepare: async (client) => {
      id = Number(await client.client('ID'));
      await client.subscribe(INVALIDATIONS);
      if (receivers.size > 0) await client.psubscribe(...receivers.keys());
      hear(client, receivers, woken);
    },
  });
  const ping = setInterval(() => {
    if (line.isConnected) line.call('PING', []).catch(() => undefined);
  }, PING_MS).unref();
  line.observe({
    up: changed,
    down: () => {
      id = undefined;
      changed();
    },
  });
  return {
    line,
    get id() {
      return id;
    },
    subscribe: async (pattern, receive) => {
      receivers.set(pattern, receive);
      const client = await line.ready(AbortSignal.timeout(context.connectTimeout * 1000));
      await client.psubscribe(pattern);
    },
    unsubscribe: async (pattern) => {
      receivers.delete(pattern);
      if (line.isConnected) await (await line.ready()).punsubscribe(pattern).catch(() => undefined);
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(ping);
      await line[Symbol.asyncDispose]();
    },
  };
}

function hear(client: Redis, receivers: ReadonlyMap<string, Receive>, woken: Woken): void {
  // Typed as one key by the client; the server sends an array of them, or null when all is gone.
  client.on('messageBuffer', (_channel: Buffer, keys: unknown) => woken(Array.isArray(keys) ? keys.map(String) : undefined));
  client.on('pmessage', (pattern: string, _channel: string, raw: string) => {
    try {
      receivers.get(pattern)?.(raw);
    } catch (error) {
      log.error('A broadcast could not be handed on: {error}', { error });
    }
  });
}
