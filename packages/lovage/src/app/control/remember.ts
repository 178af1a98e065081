// What a client revokes is written down before it is told, so that a worker that starts in between knows it too.
import { type RevokeStore, revokesOf, revokeText } from '../../result/index.ts';
import { logger, orAborted } from '../../util/index.ts';
import type { Command, Mailbox } from './mailbox.ts';

const log = logger('app', 'control');
/** Seconds that the store gets; the workers are told all the same. */
const PATIENCE = 5;

export interface RevokeMemory {
  readonly scope: () => string;
  readonly limits: () => { readonly expires: number; readonly max: number };
  /** Undefined where the result store keeps none. */
  readonly store: () => Promise<RevokeStore | undefined>;
}

/** A mailbox that keeps the revokes that it sends. */
export function rememberingRevokes(mailbox: Mailbox, memory: RevokeMemory): Mailbox {
  const keep = async ({ method, arguments: args, destination, pattern }: Command): Promise<void> => {
    // Meant for some workers only: the others may run it.
    if (destination !== undefined || pattern !== undefined) return;
    const texts = revokesOf(method, args).map(revokeText);
    if (texts.length === 0) return;
    try {
      const kept = memory.store().then((store) => store?.add(memory.scope(), texts, memory.limits()));
      await orAborted(kept, AbortSignal.timeout(PATIENCE * 1000));
    } catch (error) {
      log.warning('A revoke could not be kept for workers that start later: {error}', { error: String(error) });
    }
  };
  return {
    collect: async (command) => {
      await keep(command);
      return mailbox.collect(command);
    },
    broadcast: async (command) => {
      await keep(command);
      return mailbox.broadcast(command);
    },
    [Symbol.asyncDispose]: () => mailbox[Symbol.asyncDispose](),
  };
}
