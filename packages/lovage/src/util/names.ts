// Names that travel: of tasks, queues, nodes, and ids. What they may hold is what brokers, keys, file names and logs all can.
import { ConfigurationError } from './errors.ts';

/** Brokers take no longer names (AMQP's short strings). */
const MAX_BYTES = 255;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** What is wrong with a name, as the end of a sentence; undefined: nothing. */
export function nameFault(name: string): string | undefined {
  const control = CONTROL.exec(name);
  if (control !== null)
    return `holds the control character \\u${control[0].charCodeAt(0).toString(16).padStart(4, '0')}, and names are printed`;
  // No character has more than three bytes for each of its units.
  if (name.length * 3 <= MAX_BYTES) return undefined;
  const bytes = Buffer.byteLength(name);
  return bytes > MAX_BYTES ? `has ${bytes} bytes, and brokers take names of ${MAX_BYTES} at most` : undefined;
}

/** Throws ConfigurationError for a name that cannot travel; `what` is such as `The name of a task`. */
export function checkName(what: string, name: string): void {
  const fault = nameFault(name);
  if (fault !== undefined) throw new ConfigurationError(`${what} ${JSON.stringify(name.slice(0, 80))} ${fault}.`);
}
