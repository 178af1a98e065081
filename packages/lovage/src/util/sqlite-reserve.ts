// Room kept for the day on which the disk is full: a file beside the database that is deleted then, so that what is held can still be
// acknowledged and its results stored. New messages are refused until there is room for another. Called by sqlite-file.ts.
import { existsSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** More than SQLite's log holds before it is written to the database, so that the log can be emptied and used again. */
const RESERVE_BYTES = 6_000_000;
/** A small disk keeps this part of what is free. */
const SHARE = 1 / 8;
/** So many times the reserve must be free before a lost one is made again. */
const PLENTY = 2;
/** How often a full disk is looked at (ms). */
const LOOK_MS = 1000;

export interface Reserve {
  /** Makes it, if there is room; never fails. */
  prepare(): Promise<void>;
  /** Gives the room back to the disk; false when there was none to give. */
  release(): boolean;
  /** Is the room used up, and none to make it anew? */
  readonly isSpent: boolean;
}

export function createReserve(path: string): Reserve {
  const file = `${path}-reserve`;
  let isReady = false;
  let looked = Number.NEGATIVE_INFINITY;

  function size(): number {
    const { bavail, bsize } = statfsSync(dirname(path));
    return Math.floor(Math.min(RESERVE_BYTES, bavail * bsize * SHARE));
  }

  /** Zeros may be stored as a hole, which keeps no room. */
  const content = (): Buffer => Buffer.alloc(size(), 0xa5);

  async function make(): Promise<void> {
    const temporary = `${file}.${process.pid}`;
    try {
      await writeFile(temporary, content(), { mode: 0o600 });
      renameSync(temporary, file);
    } catch {
      rmSync(temporary, { force: true });
    }
  }

  /** Within the turn, so that whoever asks is not refused for want of what is made meanwhile. */
  function makeNow(): void {
    const temporary = `${file}.${process.pid}-now`;
    try {
      writeFileSync(temporary, content(), { mode: 0o600 });
      renameSync(temporary, file);
    } catch {
      rmSync(temporary, { force: true });
    }
  }

  function remake(): boolean {
    const now = performance.now();
    if (now - looked < LOOK_MS) return false;
    // The folder was deleted: whoever writes next finds out what that means.
    if (!existsSync(dirname(path))) return true;
    looked = now;
    const { bavail, bsize } = statfsSync(dirname(path));
    if (bavail * bsize < RESERVE_BYTES * PLENTY && size() < wanted) return false;
    makeNow();
    return existsSync(file);
  }

  /** What there was in the beginning, on a small disk. */
  let wanted = RESERVE_BYTES;

  return {
    prepare: async () => {
      if (!existsSync(file)) {
        wanted = size();
        await make();
      }
      isReady = existsSync(file);
    },
    release: () => {
      if (!existsSync(file)) return false;
      rmSync(file, { force: true });
      looked = performance.now();
      return true;
    },
    get isSpent() {
      return isReady && !existsSync(file) && !remake();
    },
  };
}
