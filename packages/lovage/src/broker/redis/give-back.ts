// Gives back what holders held: a holder's own rest when it closes, and the lists of the dead, by every process that opens the broker.
import { logger, uuid } from '../../util/index.ts';
import type { RedisContext } from './context.ts';
import { readEnvelope, returnedEnvelope, unackedEnvelope } from './envelope.ts';
import { byPlace, placeOf } from './held.ts';
import { DEAD, GIVE_BACK, HOLDINGS } from './scripts.ts';

const log = logger('broker', 'redis');

/** The envelope behind a value of HOLDINGS; undefined when somebody else took it from `unacked`. */
export function heldEnvelope(value: string, celery: boolean): string | undefined {
  if (!celery) return value;
  if (value.startsWith('r')) return value.slice(1);
  return unackedEnvelope(value.slice(1))?.raw;
}

/** A new incarnation's name. Its first letter says how it holds, so that whoever gives back its messages knows. */
export function incarnationOf(node: string, celery: boolean): string {
  return `${celery ? 'c' : 'l'}.${node}.${uuid()}`;
}

export interface GiveBackOptions {
  /** The holder itself closes; otherwise nothing is done while it lives. */
  readonly own: boolean;
  /** They may have been started: the count of each goes up. */
  readonly counted: boolean;
}

/** Gives back all that a holder holds; resolves to how many. */
export async function giveBack(
  context: RedisContext,
  incarnation: string,
  { own, counted }: GiveBackOptions,
  signal?: AbortSignal,
): Promise<number> {
  const { line, keys } = context;
  const held = keys.held(incarnation);
  const celery = incarnation.startsWith('c.');
  const unacked = celery ? keys.unacked : '';
  const entries = (await line.script(HOLDINGS, [held], [unacked], signal)) as string[];
  const fields: { readonly field: string; readonly value: string }[] = [];
  for (let i = 0; i < entries.length; i += 2) fields.push({ field: entries[i] ?? '', value: entries[i + 1] ?? '' });
  // Newest first, each to the front: the oldest ends up as the next to be taken.
  fields.sort((a, b) => byPlace(placeOf(b.field), placeOf(a.field)));
  const args: string[] = [];
  for (const { field, value } of fields) args.push(field, ...returned(field, heldEnvelope(value, celery), counted));
  const given = await line.script(
    GIVE_BACK,
    [keys.holders, keys.lease(incarnation), held],
    [incarnation, own ? '1' : '0', unacked, celery ? keys.unackedIndex : '', ...args],
    signal,
  );
  return Number(given);
}

function returned(
  field: string,
  raw: string | undefined,
  counted: boolean,
): readonly [list: string, command: string, envelope: string] {
  if (raw === undefined) return ['', '', ''];
  const { list } = placeOf(field);
  const started = counted ? { started: readEnvelope(raw, list).started + 1 } : {};
  return [list, 'RPUSH', returnedEnvelope(raw, started)];
}

/** One round over all holders: those without a lease are dead, and what they held goes back, counted. */
export async function giveBackTheDead(context: RedisContext): Promise<void> {
  const { line, keys } = context;
  const dead = (await line.script(DEAD, [keys.holders], [keys.lease('')])) as string[];
  let failure: { readonly error: unknown } | undefined;
  for (const incarnation of dead) {
    const given = await giveBack(context, incarnation, { own: false, counted: true }).catch((error: unknown) => {
      failure ??= { error };
      return 0;
    });
    if (given > 0) log.warn('Gave back {given} messages of {incarnation}, whose lease has ended', { given, incarnation });
  }
  // One whose messages cannot be given back keeps nobody else's from it.
  if (failure !== undefined) throw failure.error;
}
