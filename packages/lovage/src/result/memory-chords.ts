// Chords in the memory of this process; the shortest picture of what a ChordStore does.
import { ownBytes } from '../util/index.ts';
import type { ChordPart, ChordStore, CompleteChord, StoredOpening } from './chord-seam.ts';

interface Chord {
  size: number | undefined;
  callback: string | undefined;
  structure: Uint8Array | undefined;
  /** The first part in order that brought a root. */
  rooted: ChordPart | undefined;
  /** Undefined: awaited, since the chord was extended by it. */
  readonly parts: Map<string, ChordPart | undefined>;
  /** How many of `parts` have come, and how many were added. */
  come: number;
  added: number;
  /** Milliseconds of the epoch. */
  completeAt: number | undefined;
  closed: boolean;
  until: number;
}

/** What the backends of one name share. */
export type ChordShelf = Map<string, Chord>;

const untilOf = (seconds: number | undefined): number =>
  seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + seconds * 1000;

function chordOf(shelf: ChordShelf, groupId: string, expires: number | undefined): Chord {
  for (const [id, old] of shelf.entries().take(2)) if (old.until <= Date.now()) shelf.delete(id);
  const found = shelf.get(groupId);
  const live = found !== undefined && found.until > Date.now() ? found : undefined;
  const blank = { size: undefined, callback: undefined, structure: undefined, rooted: undefined, completeAt: undefined };
  const chord = live ?? { ...blank, parts: new Map(), come: 0, added: 0, closed: false, until: 0 };
  chord.until = untilOf(expires);
  shelf.set(groupId, chord);
  return chord;
}

/** Chords of a shelf. */
export function createMemoryChords(shelf: ChordShelf): ChordStore {
  return {
    open: async (openings) => {
      for (const opening of openings) open(shelf, opening);
    },
    join: async (parts) => {
      const touched = new Set(parts.filter((part) => add(shelf, part)).map(({ groupId }) => groupId));
      return [...touched].flatMap((groupId) => complete(shelf, groupId, Date.now()) ?? []);
    },
    close: async (groupIds) => {
      for (const groupId of groupIds) close(shelf, groupId);
    },
    extend: async (groupId, ids, expires) => {
      const chord = chordOf(shelf, groupId, expires);
      for (const id of ids) {
        if (chord.parts.has(id)) continue;
        chord.parts.set(id, undefined);
        chord.added++;
      }
    },
    stale: async (seconds) => {
      const now = Date.now();
      const waiting = [...shelf].filter(
        ([, chord]) => chord.completeAt !== undefined && chord.completeAt <= now - seconds * 1000,
      );
      return waiting.flatMap(([groupId, chord]) => {
        chord.completeAt = now;
        return complete(shelf, groupId, now) ?? [];
      });
    },
  };
}

function open(shelf: ChordShelf, { groupId, size, callback, structure, expires }: StoredOpening): void {
  const chord = chordOf(shelf, groupId, expires);
  chord.size = size;
  chord.callback ??= callback;
  chord.structure = structure;
}

/** False when the chord is over. */
function add(shelf: ChordShelf, part: ChordPart): boolean {
  const chord = chordOf(shelf, part.groupId, part.expires);
  if (chord.closed) return false;
  chord.callback ??= part.callback;
  if (chord.parts.get(part.id) === undefined) {
    const kept = { ...part, body: ownBytes(part.body) };
    chord.parts.set(part.id, kept);
    chord.come++;
    if (part.rootId !== undefined && (chord.rooted === undefined || byIndex(part, chord.rooted) < 0)) chord.rooted = kept;
  }
  return true;
}

function complete(shelf: ChordShelf, groupId: string, now: number): CompleteChord | undefined {
  const chord = shelf.get(groupId);
  if (chord?.size === undefined || chord.closed || chord.come < chord.size + chord.added) return undefined;
  chord.completeAt ??= now;
  const parts = [...chord.parts.values()].filter((part) => part !== undefined).sort(byIndex);
  const { callback, structure, rooted } = chord;
  const root = rooted?.rootId === undefined ? undefined : { id: rooted.id, rootId: rooted.rootId };
  return { groupId, parts: parts.map(({ body }) => body), callback, structure, root };
}

function byIndex(a: ChordPart, b: ChordPart): number {
  if (a.index === b.index) return 0;
  return (a.index ?? Number.POSITIVE_INFINITY) < (b.index ?? Number.POSITIVE_INFINITY) ? -1 : 1;
}

/** Remembered as closed for as long as its results live. */
function close(shelf: ChordShelf, groupId: string): void {
  const chord = shelf.get(groupId);
  if (chord === undefined) return;
  chord.closed = true;
  chord.parts.clear();
  chord.callback = undefined;
  chord.structure = undefined;
  chord.rooted = undefined;
  chord.completeAt = undefined;
}
