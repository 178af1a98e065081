// What beat remembers of each entry, and the text that stores keep of it.
/** A run that was claimed, and of which nobody knows yet whether its message was sent. */
export interface PendingRun {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly due: number;
}

/** How far an entry is. */
export interface EntryState {
  /** Due time of the last run, or where the entry began; epoch milliseconds. */
  readonly lastDue: number;
  /** When the last message was sent; undefined: none yet. */
  readonly lastRunAt: number | undefined;
  readonly totalRuns: number;
  /** The zone in which `lastDue` was found. */
  readonly timezone: string;
  readonly pending: readonly PendingRun[];
}

/** What a person changed at run time: an entry of its own, or whether one of the settings is enabled. */
export interface EntryEdit {
  /** As `readEntry` takes it; absent: an entry of the settings, switched on or off. */
  readonly entry?: Readonly<Record<string, unknown>>;
  readonly enabled?: boolean;
  /** When it was switched on again, epoch milliseconds: what would have run before was not missed. */
  readonly since?: number;
}

export function writeState(state: EntryState): string {
  return JSON.stringify(state);
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The longest moment that a Date can hold, epoch milliseconds. */
const MAX_MOMENT = 8.64e15;

const isMoment = (value: unknown): value is number => typeof value === 'number' && Math.abs(value) <= MAX_MOMENT;

/** undefined for what cannot be read: the entry begins anew. */
export function readState(text: string): EntryState | undefined {
  const value = parse(text);
  if (value === undefined || !isMoment(value.lastDue) || !isCount(value.totalRuns)) return undefined;
  const { lastDue, lastRunAt, totalRuns, timezone, pending } = value;
  return {
    lastDue,
    lastRunAt: isMoment(lastRunAt) ? lastRunAt : undefined,
    totalRuns,
    timezone: typeof timezone === 'string' ? timezone : 'UTC',
    pending: Array.isArray(pending) ? pending.filter(isPending) : [],
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isPending(value: unknown): value is PendingRun {
  return isRecord(value) && typeof value.id === 'string' && isMoment(value.due);
}

/** An edit with its signature; undefined for one that has none. */
export function readSealed(text: string): { readonly sealed: string; readonly seal: string } | undefined {
  const { sealed, seal } = parse(text) ?? {};
  return typeof sealed === 'string' && typeof seal === 'string' ? { sealed, seal } : undefined;
}

/** undefined for what cannot be read. */
export function readEdit(text: string): EntryEdit | undefined {
  const value = parse(text);
  if (value === undefined) return undefined;
  const { entry, enabled, since } = value;
  return {
    ...(isRecord(entry) ? { entry } : {}),
    ...(typeof enabled === 'boolean' ? { enabled } : {}),
    ...(isMoment(since) ? { since } : {}),
  };
}
