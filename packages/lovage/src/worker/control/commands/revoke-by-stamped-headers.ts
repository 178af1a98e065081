import { type RevokedStamp, stampsOf } from '../../../consumer/index.ts';
import { isRecord, pythonSet, pythonText, saferepr } from '../../../protocol/index.ts';
import { consumerOf } from '../parts.ts';
import { heedRevokes } from '../revokes.ts';
import { type Command, CommandError, ok } from '../seam.ts';
import { signalOf } from '../signals.ts';

/** Stamps of `{ header: value or values }`, or of `['header=value']`, as a command line sends them. */
function readStamps(headers: unknown): readonly RevokedStamp[] {
  const pairs = isRecord(headers)
    ? Object.entries(headers).flatMap(([header, value]) =>
        (Array.isArray(value) ? value : [value]).map((one) => ({ header, value: String(one) })),
      )
    : (Array.isArray(headers) ? headers : [headers]).map((word: unknown) => {
        const at = typeof word === 'string' ? word.indexOf('=') : -1;
        if (typeof word !== 'string' || at < 1)
          throw new CommandError('ValueError', `'headers' must be an object or a list of header=value, not ${saferepr(headers)}`);
        return { header: word.slice(0, at), value: word.slice(at + 1) };
      });
  if (pairs.length === 0) throw new CommandError('ValueError', "'headers' names no stamp");
  return pairs;
}

/** As Python writes a dict of sets. */
function setsRepr(stamps: readonly RevokedStamp[]): string {
  const byHeader = Map.groupBy(stamps, ({ header }) => header);
  const parts = [...byHeader].map(
    ([header, values]) => `${pythonText(header)}: ${pythonSet([...new Set(values.map(({ value }) => value))])}`,
  );
  return `defaultdict(<class 'set'>, {${parts.join(', ')}})`;
}

export const revokeByStampedHeaders: Command = {
  name: 'revoke_by_stamped_headers',
  help: 'Let tasks not run that have one of these stamps.',
  args: [
    { name: 'headers', required: true },
    { name: 'terminate', type: 'boolean' },
    { name: 'signal', type: 'string' },
  ],
  variadic: 'headers',
  open: true,
  run: (context, { headers, terminate, signal }) => {
    const stamps = readStamps(headers);
    // Celery's answer has a dict, also where a command line sent a list.
    const shown = saferepr(isRecord(headers) ? headers : Object.fromEntries(stamps.map(({ header, value }) => [header, value])));
    const { flow } = consumerOf(context);
    heedRevokes(context, { stamps });
    if (terminate !== true) {
      flow.revokeWaiting();
      return ok(`headers ${shown} flagged as revoked, but not terminated`);
    }
    const met: RevokedStamp[] = [];
    flow.terminate((request) => {
      const own = stampsOf(request).filter(({ header, value }) =>
        stamps.some((stamp) => stamp.header === header && stamp.value === value),
      );
      met.push(...own);
      return own.length > 0;
    }, signalOf(signal));
    return ok(met.length === 0 ? `headers ${shown} were not terminated` : `headers ${setsRepr(met)} revoked`);
  },
};
