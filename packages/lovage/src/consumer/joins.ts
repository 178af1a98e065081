// Chords that are complete: their bodies are sent, or fail with all that waits for them. Called by the settler for chords that its turn
// completed, and by the janitor for those of which nobody knows more than that they are.
//
// A failing body may be a member of another chord and complete that one, so this goes on until nothing is complete any more.
import type { JointWrite, Subscription } from '../broker/index.ts';
import {
  type ChordOpening,
  type ChordPart,
  type ChordStore,
  type CompleteChord,
  isSealedCallback,
  type StoredOpening,
} from '../result/index.ts';
import type { Aftermath } from '../task/index.ts';
import { logger } from '../util/index.ts';
import { persist, send, store } from './persist.ts';
import type { WorkerApp } from './port.ts';

const log = logger('consumer');
const MAX_ASKED = 10_000;

export interface JoinsOptions {
  readonly app: Pick<WorkerApp, 'broker' | 'backend' | 'publisher' | 'joins' | 'unlock'>;
  /** Broker and results are one database. */
  readonly joint: boolean;
  readonly subscription: () => Subscription | undefined;
  /** Ends the retries of a store or broker that stays away. */
  readonly giveUp: AbortSignal;
}

/** Where what is kept has to be signed, the word of a member's message, which was checked, goes before that of whoever opened the chord. */
function withOwnCallback(chord: CompleteChord, own: readonly ChordPart[]): CompleteChord {
  const callback = own.find((part) => part.groupId === chord.groupId && isSealedCallback(part.callback))?.callback;
  return callback === undefined ? chord : { ...chord, callback };
}

/** Ends chords. */
export class Joins {
  readonly #options: JoinsOptions;
  /** Chords that were looked for, the newest. */
  readonly #asked: Set<string> = new Set();

  constructor(options: JoinsOptions) {
    this.#options = options;
  }

  /** Where parts are counted; undefined where they are not. */
  get store(): ChordStore | undefined {
    return this.#options.app.joins === undefined ? undefined : this.#options.app.backend?.chords;
  }

  /** Openings as the store keeps them. */
  openings(openings: readonly ChordOpening[]): readonly StoredOpening[] {
    const { joins } = this.#options.app;
    return joins === undefined ? [] : openings.map((opening) => joins.opening(opening));
  }

  /** Opens chords and counts parts, each repeatable. Resolves to the chords that are complete by them. */
  async count(openings: readonly ChordOpening[], parts: readonly ChordPart[]): Promise<readonly CompleteChord[]> {
    const chords = this.store;
    const { giveUp } = this.#options;
    if (chords === undefined) return this.#adopt(parts);
    if (openings.length > 0) await persist(`open ${openings.length} chords`, giveUp, () => chords.open(this.openings(openings)));
    return parts.length === 0 ? [] : persist(`count ${parts.length} parts of chords`, giveUp, () => chords.join(parts));
  }

  /** Where Celery counts and we do not, somebody has to look whether all members of its chords have ended, once one of them has ended here. */
  async #adopt(parts: readonly ChordPart[]): Promise<readonly CompleteChord[]> {
    const { app, giveUp } = this.#options;
    const { backend, publisher, unlock } = app;
    if (backend?.adoptChord === undefined || unlock === undefined) return [];
    for (const { groupId, id, callback } of parts) {
      if (callback === undefined || this.#asked.has(groupId)) continue;
      const group = await persist(`look for chord ${groupId}`, giveUp, async () => backend.adoptChord?.(groupId, id));
      if (group !== undefined) await send(publisher, unlock.call(app, groupId, callback, group), giveUp);
      this.#asked.add(groupId);
      if (this.#asked.size > MAX_ASKED) this.#asked.delete(this.#asked.values().next().value ?? '');
    }
    return [];
  }

  /**
   * Ends complete chords, one after the other where one completes the next. Never rejects: what could not be done now, a janitor does.
   * `own`: the parts that completed them.
   */
  async end(complete: readonly CompleteChord[], own: readonly ChordPart[]): Promise<void> {
    for (let left = complete.map((chord) => withOwnCallback(chord, own)); left.length > 0; ) {
      const next = await Promise.all(left.map((chord) => this.#endSafely(chord)));
      left = next.flat();
    }
  }

  /** Ends the chords that were complete `seconds` ago and of which whoever completed them is gone. Resolves to how many. */
  async mend(seconds: number): Promise<number> {
    const stale = (await this.store?.stale?.(seconds)) ?? [];
    for (const { groupId } of stale)
      log.warning('Chord {id} was complete, and its body was not sent: its last worker is gone. It is done now.', {
        id: groupId,
      });
    await this.end(stale, []);
    return stale.length;
  }

  async #endSafely(chord: CompleteChord): Promise<readonly CompleteChord[]> {
    try {
      return await this.#endOne(chord);
    } catch (error) {
      if (!this.#options.giveUp.aborted) {
        log.error('The end of chord {id} could not be written: {error} It is tried again later.', {
          id: chord.groupId,
          error: String(error),
        });
      }
      return [];
    }
  }

  async #endOne(chord: CompleteChord): Promise<readonly CompleteChord[]> {
    const { joins } = this.#options.app;
    if (joins === undefined) return [];
    const written = await joins.ended(chord);
    return (await this.#endJointly(chord, written)) ?? this.#endApart(chord, written);
  }

  /** One commit, which does nothing when another worker was quicker. Undefined: nobody knows whether it was made. */
  async #endJointly({ groupId }: CompleteChord, written: Aftermath): Promise<readonly CompleteChord[] | undefined> {
    const { app, joint } = this.#options;
    const subscription = this.#options.subscription();
    const chords = this.store;
    if (!joint || subscription === undefined || chords?.jointClose === undefined || chords.jointJoin === undefined)
      return undefined;
    const { results, next, openings, parts } = written;
    const writes: JointWrite[] = [];
    try {
      if (openings.length > 0 && chords.jointOpen !== undefined) writes.push(chords.jointOpen(this.openings(openings)));
      if (results.length > 0 && app.backend?.jointPut !== undefined) writes.push(app.backend.jointPut(results));
      const join = parts.length === 0 ? undefined : chords.jointJoin(parts);
      if (join !== undefined) writes.push(join.write);
      const watch = next.length > 0 ? app.publisher.watch : undefined;
      await watch?.before(next);
      if (next.length > 0 && app.broker.jointPublish !== undefined) writes.push(await app.broker.jointPublish(next));
      await subscription.settle([], [chords.jointClose(groupId, writes)]);
      await watch?.after(next);
      if (join === undefined) return [];
      const complete = join.complete() ?? (await this.count([], parts));
      return complete.map((chord) => withOwnCallback(chord, parts));
    } catch (error) {
      log.warning('The end of chord {id} was not written at once, its parts are written one by one: {error}', {
        id: groupId,
        error: String(error),
      });
      return undefined;
    }
  }

  async #endApart({ groupId }: CompleteChord, written: Aftermath): Promise<readonly CompleteChord[]> {
    const { app, giveUp } = this.#options;
    const { results, next, openings, parts } = written;
    await store(app.backend, results, giveUp);
    const complete = await this.count(openings, parts);
    await send(app.publisher, next, giveUp);
    await persist(`close chord ${groupId}`, giveUp, async () => this.store?.close([groupId]));
    return complete.map((chord) => withOwnCallback(chord, parts));
  }
}
