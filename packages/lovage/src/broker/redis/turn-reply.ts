// What the server answers to a turn of a holder: its batch, which is not read before somebody looks at it, since the next request leaves
// first.
import type { Delivery } from '../seam.ts';
import type { TurnResult } from '../store.ts';
import type { DeliveryReader } from './delivery.ts';
import { heldEnvelope } from './give-back.ts';
import { byPlace, fieldOf, type HeldPlace, placeOf } from './held.ts';
import { type Lanes, queueAt } from './lanes.ts';
import { countOf, type Packed, unpack } from './packed.ts';
import type { HeldTag } from './settle.ts';
import type { TurnCall } from './turn-request.ts';

/** Status, fields lost, batch, lists that are none, answers of joint writes. */
export type TurnReply = readonly [Buffer, readonly Buffer[], Packed, (readonly Buffer[])?, unknown[]?];

/** The messages of an answer. */
export interface Batch {
  readonly count: number;
  readonly read: () => readonly Delivery[];
}

/** `ok`, `again`, `stale` or `lost` (see TURN). */
export function statusOf([status]: TurnReply): string {
  return status.toString('latin1');
}

/** The batch of a turn that was done for the first time. */
export function freshBatch(
  reader: DeliveryReader,
  packed: Packed,
  { turn, lanes, pushed }: { readonly turn: number; readonly lanes: Lanes; readonly pushed: readonly string[] | undefined },
): Batch {
  const read = (): readonly Delivery[] =>
    unpack(packed, pushed).map((one, index) => {
      const place = { turn, place: index + 1, list: lanes.lists[one.list - 1] ?? '' };
      return reader.read(one, place, queueAt(lanes, one.list));
    });
  return { count: countOf(packed), read };
}

/** The batch of a turn whose answer was lost once, as the hash tells it: field and value in turn. */
export function adoptedBatch(reader: DeliveryReader, reply: readonly string[], lanes: Lanes, hasEntries: boolean): Batch {
  const held: { readonly place: HeldPlace; readonly raw: string }[] = [];
  for (let i = 0; i < reply.length; i += 2) {
    const raw = heldEnvelope(reply[i + 1] ?? '', hasEntries);
    if (raw !== undefined) held.push({ place: placeOf(reply[i] ?? ''), raw });
  }
  held.sort((a, b) => byPlace(a.place, b.place));
  const delivery = ({ place, raw }: (typeof held)[number]): Delivery =>
    reader.read({ raw, isPlain: false }, place, queueAt(lanes, lanes.lists.indexOf(place.list) + 1));
  return { count: held.length, read: () => held.map(delivery) };
}

export function joined(first: readonly Delivery[], { count, read }: Batch): Batch {
  return first.length === 0 ? { count, read } : { count: first.length + count, read: () => [...first, ...read()] };
}

/** Those that the turn was to settle and that were not this holder's any more. */
export function lostOf({ settle }: TurnCall, [, fields]: TurnReply): readonly Delivery[] {
  if (fields.length === 0) return [];
  const gone = new Set(fields.map(String));
  return settle.map(({ delivery }) => delivery).filter(({ tag }) => gone.has(fieldOf(tag as HeldTag)));
}

/**
 * What a turn brought. A class, because a getter of an object literal makes a pair among the old objects each time, which keeps all that
 * the getter sees alive until the next full collection.
 */
export class Brought implements TurnResult {
  readonly count: number;
  readonly lost: readonly Delivery[];
  readonly drained: boolean;
  readonly #read: Batch['read'];
  #taken: readonly Delivery[] | undefined;

  constructor({ count, read }: Batch, lost: readonly Delivery[], drained: boolean) {
    this.count = count;
    this.#read = read;
    this.lost = lost;
    this.drained = drained;
  }

  get taken(): readonly Delivery[] {
    this.#taken ??= this.#read();
    return this.#taken;
  }
}
