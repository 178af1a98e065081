// The transport options of drivers, brokers and result stores alike: each driver knows its own names, and what it does not know is a
// slip of the hand that must not be passed over in silence.
import { camelCase } from './camel-case.ts';
import { ConfigurationError } from './errors.ts';
import { didYouMean } from './suggest.ts';

/** What Celery's producers take for their reconnects; accepted so that one configuration serves both sides, without a meaning here. */
const WITHOUT_MEANING = ['maxRetries', 'intervalStart', 'intervalStep', 'intervalMax', 'errback', 'callback'];

/** The names that a driver knows, in camelCase. */
export interface TransportNames {
  /** With an effect. */
  readonly names: readonly string[];
  /** Names of Celery's driver that mean nothing here: accepted and left out. */
  readonly ignored?: readonly string[];
}

/**
 * The given options under their camelCase names, without those that are null or mean nothing here. Throws ConfigurationError for a
 * name that `driver` does not know.
 */
export function readOptionNames(
  driver: string,
  given: Readonly<Record<string, unknown>>,
  { names, ignored = [] }: TransportNames,
): Readonly<Record<string, unknown>> {
  const read = new Map<string, unknown>();
  for (const [written, value] of Object.entries(given)) {
    const name = camelCase(written);
    if (WITHOUT_MEANING.includes(name) || ignored.includes(name)) continue;
    if (!names.includes(name)) throw unknown(driver, written, names);
    if (value !== undefined && value !== null) read.set(name, value);
  }
  return Object.fromEntries(read);
}

function unknown(driver: string, written: string, names: readonly string[]): ConfigurationError {
  const known = names.length === 0 ? 'It has none.' : `It knows ${names.join(', ')}.`;
  return new ConfigurationError(`${driver} has no transport option '${written}'.${didYouMean(written, names)} ${known}`);
}
