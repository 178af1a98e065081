// Names of signals as clients send them. A task of ours is stopped in one way, whatever the signal; its name goes into events.
import { constants } from 'node:os';
import { CommandError } from './seam.ts';

const NAMES: Readonly<Record<string, number>> = { ...constants.signals };

/** `SIGTERM` of `SIGTERM`, `TERM` or `15`. Throws what Python says of a name that is none. */
export function signalOf(value: unknown): string {
  if (value === undefined || value === null) return 'SIGTERM';
  const number = typeof value === 'number' ? value : /^\d+$/.test(String(value)) ? Number(value) : undefined;
  if (number !== undefined) {
    const known = Object.keys(NAMES).find((name) => NAMES[name] === number);
    if (known === undefined) throw new CommandError('ValueError', `${number} is not a valid Signals`);
    return known;
  }
  const name = String(value).toUpperCase();
  const full = name.startsWith('SIG') ? name : `SIG${name}`;
  if (!Object.hasOwn(NAMES, full)) throw new CommandError('AttributeError', `module 'signal' has no attribute '${full}'`);
  return full;
}
