// What the slots of a worker are started with, and what becomes of the lines that they write. Loaded by the step `pool` when it is needed.
import type { PoolRequest, SlotLine, SlotProgram } from '../pool/index.ts';
import { logger } from '../util/index.ts';
import { LineLimit } from './line-limit.ts';
import type { RedirectLevel } from './redirect.ts';
import { logRecord, lowestLevel } from './slot-log.ts';
import type { SlotData } from './slot-serve.ts';

const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const LEVELS = { DEBUG: 'debug', INFO: 'info', WARNING: 'warning', ERROR: 'error', CRITICAL: 'fatal' } as const;

/** The program, with all that it needs to load the app. */
export function slotProgram(data: Omit<SlotData, 'level'>): SlotProgram {
  return {
    process: new URL(`./slot-process${EXTENSION}`, import.meta.url),
    thread: new URL(`./slot-thread${EXTENSION}`, import.meta.url),
    data: { ...data, level: lowestLevel() },
    environment: { LOVAGE_NODE: data.hostname },
  };
}

/** Log records of slots are logged here; what else is written there becomes lines, with the task that wrote them where it is known. */
export function logLines(level: RedirectLevel): NonNullable<PoolRequest['onLine']> {
  const redirected = logger('task', 'redirected');
  const pool = logger('pool');
  const limit = new LineLimit((slot, lines) =>
    pool.warning('{slot} wrote {lines} lines more in one second than a log can be read with; they are left out.', {
      slot,
      lines,
    }),
  );
  return ({ slot, stream, text, task }: SlotLine): void => {
    if (!limit.passes(slot)) return;
    if (lowestLevel() === 'none') {
      process[stream].write(`${text}\n`);
      return;
    }
    if (logRecord(text, slot) || text.trim() === '') return;
    if (task === undefined) pool[LEVELS[level]]('{line}', { line: text, processName: slot });
    else redirected[LEVELS[level]]('{line}', { line: text, task: task.name, id: task.id, processName: slot });
  };
}
