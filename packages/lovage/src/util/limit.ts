// How many of something a caller wants: a bound that brokers would each take in their own way, if it were no whole number.
import { ConfigurationError } from './errors.ts';

/** The limit itself. Throws ConfigurationError when it is no whole number above 0. `what` names the things that are limited. */
export function checkLimit(limit: number, what: string): number {
  if (Number.isSafeInteger(limit) && limit > 0) return limit;
  throw new ConfigurationError(`limit is a whole number of ${what}, 1 or more, not ${String(limit)}.`);
}
