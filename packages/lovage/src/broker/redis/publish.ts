// Publishing: envelopes joined into one command for each list, or into one script when several things must happen together.
import {
  applyWrites,
  BrokerConnectionError,
  expireWrite,
  PublishError,
  type PublishFailure,
  parkWrite,
  pushWrite,
  RedisLineError,
  type RedisWrite,
} from '../../util/index.ts';
import type { QueueEntry, QueueStore } from '../store.ts';
import { brokerError, type RedisContext } from './context.ts';
import { writeEnvelope } from './envelope.ts';

/**
 * The lists of answers to control commands end so. Who asked reads them within seconds; if it died, nobody else does, and nobody deletes
 * them: each such list ends by itself after so many milliseconds.
 */
const ANSWERS = '.pidbox';
const ANSWERS_MS = 300_000;
/** Milliseconds between two looks whether there are replicas. */
const REPLICAS_MS = 60_000;

/** The writes that put copies into their lists, or park them: for one script. */
export function entryWrites({ keys, transport, expiries, parking }: RedisContext, entries: readonly QueueEntry[]): RedisWrite[] {
  const writes: RedisWrite[] = [];
  const pushed = new Map<string, string[]>();
  const living = new Set<string>();
  for (const { queue, message } of entries) {
    const list = keys.list(queue, message.properties.priority);
    const envelope = writeEnvelope(message, transport.bodyEncoding);
    if (expiries.has(queue) || queue.endsWith(ANSWERS)) living.add(queue);
    if (message.dueAt !== undefined) {
      const { dueAt } = message;
      parking.tell(dueAt);
      const [serves, parked, registry] = [keys.serves(queue), keys.parked(queue), keys.parkedQueues];
      writes.push(parkWrite({ serves, parked, registry, queue, list, dueAt, envelope }));
      continue;
    }
    const together = pushed.get(list);
    if (together === undefined) pushed.set(list, [envelope]);
    else together.push(envelope);
  }
  for (const [list, envelopes] of pushed) writes.push(pushWrite(list, envelopes));
  for (const queue of living) writes.push(expireWrite(expiries.get(queue) ?? ANSWERS_MS, keys.lists(queue)));
  return writes;
}

/** Resolves when all are stored. Rejects with PublishError, or BrokerFullError when the server has no room. */
export function pushEntries(context: RedisContext, entries: readonly QueueEntry[], signal: AbortSignal): Promise<void> {
  const [first] = entries;
  if (first === undefined) return Promise.resolve();
  // The usual case, one list, needs no script. Each envelope is written when its turn comes, so that none is kept.
  if (!isPlain(context, entries, first)) return pushByScript(context, entries, signal);
  const list = context.keys.list(first.queue, first.message.properties.priority);
  const textOf = (index: number): string => writeEnvelope((entries[index] ?? first).message, context.transport.bodyEncoding);
  return confirmed(context, entries.length, signal, () => context.line.push(list, entries.length, textOf, signal));
}

async function pushByScript(context: RedisContext, entries: readonly QueueEntry[], signal: AbortSignal): Promise<void> {
  const writes = entryWrites(context, entries);
  await confirmed(context, entries.length, signal, () => applyWrites(context.line, writes, signal));
}

/** Do all entries go to one list, with headers that are text already, and nothing else to be done? */
function isPlain({ expiries }: RedisContext, entries: readonly QueueEntry[], first: QueueEntry): boolean {
  const { priority } = first.message.properties;
  return (
    expiries.size === 0 &&
    !first.queue.endsWith(ANSWERS) &&
    entries.every(
      ({ queue, message }) =>
        queue === first.queue &&
        message.properties.priority === priority &&
        message.dueAt === undefined &&
        message.headersText !== undefined,
    )
  );
}

/** Publishes broadcasts; who does not listen now will never hear them. Resolves to how many listen, unless replicas may have listeners of their own. */
export function createBroadcaster(context: RedisContext): NonNullable<QueueStore['broadcast']> {
  const { keys, transport, line } = context;
  const replicas = createReplicas(context);
  return async (messages, signal) => {
    let counts: readonly unknown[] = [];
    await confirmed(context, messages.length, signal, async () => {
      const looked = replicas.look();
      const calls = messages.map((message) => {
        // As bytes: Node writes a long text to a socket ten times as slowly (bench row redis-drain-events).
        const envelope = Buffer.from(writeEnvelope(message, transport.bodyEncoding));
        return line.call('PUBLISH', [keys.channel(message.exchange, message.routingKey), envelope], signal);
      });
      counts = await Promise.all(calls);
      await looked;
    });
    return counts.map((count) => (replicas.none ? Number(count) : undefined));
  };
}

interface Replicas {
  /** The server surely has none. */
  readonly none: boolean;
  /** Looks when it is time to. Resolves at once, but for the first time: then to what is true by now. */
  look(): Promise<void> | undefined;
}

/** Does the server have replicas? Whoever listens at one is not counted by the server. Looked at now and then. */
function createReplicas({ line }: RedisContext): Replicas {
  let asked = Number.NEGATIVE_INFINITY;
  let none = false;
  const ask = async (): Promise<void> => {
    try {
      none = /^connected_slaves:0\r?$/m.test(`${await line.call('INFO', ['replication'])}`);
    } catch {
      // A user who may not ask does not know.
      none = false;
    }
  };
  return {
    get none() {
      return none;
    },
    look: () => {
      const isFirst = asked === Number.NEGATIVE_INFINITY;
      if (performance.now() - asked <= REPLICAS_MS) return undefined;
      asked = performance.now();
      const asking = ask();
      return isFirst ? asking : undefined;
    },
  };
}

async function confirmed(context: RedisContext, count: number, signal: AbortSignal, send: () => Promise<unknown>): Promise<void> {
  let sent = false;
  try {
    // Waiting for the line is apart from the call, so that a deadline in between says `no`.
    if (!context.line.isConnected) await context.line.ready(signal);
    sent = true;
    await send();
  } catch (error) {
    const cause = brokerError(error, 'Publishing failed');
    const refused = cause !== error && !(cause instanceof BrokerConnectionError);
    if (refused) throw cause;
    const stored = sent && mayBeStored(error) ? 'unknown' : 'no';
    const failures = Array.from({ length: count }, (_, index): PublishFailure => ({ index, stored, cause }));
    const reason = cause instanceof Error ? cause.message : `${cause}`;
    throw new PublishError(`${count} messages were not confirmed by ${context.target.url}: ${reason}`, failures, { cause });
  }
}

/** Was anything sent? An answer of the server, and a line that was not open, say no. */
function mayBeStored(error: unknown): boolean {
  const cause = error instanceof BrokerConnectionError ? error.cause : undefined;
  if (cause instanceof RedisLineError) return cause.sent;
  return !(error instanceof Error && error.name === 'ReplyError');
}
