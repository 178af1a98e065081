// Chords counted in Redis, in Celery's keys (util/redis-chords.ts): members may run on workers of both languages, and whoever counts
// the last part sends the body.
import type { JointWrite } from '../broker/index.ts';
import {
  closeChordWrite,
  extendChordWrite,
  joinChordWrite,
  openChordWrite,
  type RedisWrite,
  staleChordsWrite,
} from '../util/index.ts';
import type { ChordPart, ChordStore, CompleteChord, JointJoin, PartRoot, StoredOpening } from './chord-seam.ts';
import type { ResultKeys } from './redis-keys.ts';

export interface RedisChordsOptions {
  /** Makes writes in one script; resolves to the answer of each, as bytes. */
  readonly apply: (writes: readonly RedisWrite[], signal: AbortSignal) => Promise<readonly unknown[]>;
  readonly keys: ResultKeys;
  readonly database: string;
  /** Parts in order of their index, or as they come: all workers of a chord must agree. */
  readonly ordered: boolean;
  /** Seconds. */
  readonly expires: number | undefined;
  /** Repeats a call until it is answered. */
  readonly patiently: <T>(call: (signal: AbortSignal) => Promise<T>) => Promise<T>;
}

/** The answer of a join: id, callback, structure, parts, root. */
type Answer = readonly [Buffer, Buffer | null, Buffer | null, readonly Buffer[], Buffer | null];

/** Opens the store. */
export function createRedisChords({ apply, keys, database, ordered, expires, patiently }: RedisChordsOptions): ChordStore {
  const openings = (opened: readonly StoredOpening[]): RedisWrite[] =>
    opened.map((opening) => openChordWrite(keys.chord(opening.groupId), opening));
  const joint = (payload: readonly RedisWrite[]): JointWrite => ({ database, payload });

  return {
    open: async (opened) => {
      if (opened.length > 0) await patiently((signal) => apply(openings(opened), signal));
    },
    jointOpen: (opened) => joint(openings(opened)),
    join: async (parts) => {
      if (parts.length === 0) return [];
      const writes = joins(parts, keys, ordered);
      return (await patiently((signal) => apply(writes, signal))).filter(isAnswer).map(chordOf);
    },
    jointJoin: (parts) => jointJoin(database, joins(parts, keys, ordered), new Set(parts.map(({ groupId }) => groupId))),
    close: async (groupIds) => {
      if (groupIds.length === 0) return;
      const writes = groupIds.map((groupId) => closeChordWrite(keys.chord(groupId), expires, 0));
      await patiently((signal) => apply(writes, signal));
    },
    jointClose: (groupId, writes) => {
      const guarded = writes.flatMap(({ payload }) => payload as readonly RedisWrite[]);
      return { ...joint([closeChordWrite(keys.chord(groupId), expires, guarded.length), ...guarded]), ...answeredBy(writes) };
    },
    extend: async (groupId, ids, seconds) => {
      if (ids.length === 0) return;
      const write = extendChordWrite(keys.chord(groupId), ids, seconds);
      await patiently((signal) => apply([write], signal));
    },
    stale: async (seconds) => {
      const { group, own, waiting } = keys.chord('');
      const write = staleChordsWrite(waiting, group, own, seconds);
      const [answers] = await patiently((signal) => apply([write], signal));
      return Array.isArray(answers) ? answers.filter(isAnswer).map(chordOf) : [];
    },
  };
}

/** One write for each chord: its callback goes along once. */
function joins(parts: readonly ChordPart[], keys: ResultKeys, ordered: boolean): RedisWrite[] {
  const chords = Map.groupBy(parts, ({ groupId }) => groupId);
  return [...chords].map(([groupId, members]) => {
    const callback = members.find((part) => part.callback !== undefined)?.callback;
    return joinChordWrite(keys.chord(groupId), { parts: members, callback, ordered, expires: members[0]?.expires });
  });
}

/** Several joins may lie in one turn, which tells all of them all answers: whoever asks first takes a chord for itself. */
function jointJoin(database: string, payload: readonly RedisWrite[], groupIds: ReadonlySet<string>): JointJoin {
  let complete: readonly CompleteChord[] | undefined;
  const answered = (answers: unknown[]): void => {
    const mine = answers.filter((answer) => isAnswer(answer) && groupIds.has(String(answer[0])));
    for (const answer of mine) answers.splice(answers.indexOf(answer), 1);
    complete = mine.filter(isAnswer).map(chordOf);
  };
  return { write: { database, payload, answered }, complete: () => complete };
}

/** Who made the guarded writes is told of their answers as if they stood alone. */
function answeredBy(writes: readonly JointWrite[]): Pick<JointWrite, 'answered'> {
  const heard = writes.flatMap(({ answered }) => answered ?? []);
  if (heard.length === 0) return {};
  return {
    answered: (answers) => {
      for (const hear of heard) hear(answers);
    },
  };
}

function isAnswer(value: unknown): value is Answer {
  return Array.isArray(value) && value.length === 5 && Array.isArray(value[3]);
}

function chordOf([id, callback, structure, parts, root]: Answer): CompleteChord {
  const groupId = String(id);
  return { groupId, parts, callback: callback?.toString(), structure: structure ?? undefined, root: rootOf(root) };
}

/** As `joinChordWrite` writes it. */
function rootOf(text: Buffer | null): PartRoot | undefined {
  if (text === null) return undefined;
  const [id, rootId] = JSON.parse(text.toString().replace(/^\S+ /, '')) as readonly [string, string];
  return { id, rootId };
}
