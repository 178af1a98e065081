import type { Revoked } from '../../../consumer/index.ts';
import { isRecord } from '../../../protocol/index.ts';
import { Float } from '../../../serialization/index.ts';
import { learnRevokes, type Told } from '../revokes.ts';
import { type Command, isAllowed } from '../seam.ts';

/** Where two of Lovage's workers tell each other of stamps, and for how long ids count; Celery's take both without a look, and are answered without. */
const STAMPS = 'lovage_stamps';
const LEFT = 'lovage_left';

/** Mingle: two workers tell each other what is revoked and how late it is. */
export const hello: Command = {
  name: 'hello',
  kind: 'inspect',
  visible: false,
  help: 'Exchange revoked ids and clocks with a worker that starts.',
  args: [{ name: 'from_node', required: true }, { name: 'revoked' }],
  open: true,
  run: ({ host, port }, args) => {
    if (args.from_node === host.hostname) return null;
    const told = revokesTold(args);
    // It is a question, but what it brings is a revoke: whose setting remoteControl allows none gets none this way either.
    if (isAllowed({ name: 'revoke' }, port.settings.remoteControl)) learnRevokes(host, told);
    const theirs = told.ids.map(([id]) => id);
    const { [LEFT]: left, ...answer } = tellRevokes(host.revoked, theirs);
    return { ...answer, ...(Object.hasOwn(args, LEFT) ? { [LEFT]: left } : {}), clock: port.clock.forward() };
  },
};

/** What a worker tells another, without the ids that it has from that one. What was said to it alone it keeps for itself. */
export function tellRevokes(revoked: Revoked, known: readonly string[] = []): Readonly<Record<string, unknown>> {
  // Celery wants a time beside each id, of its own monotonic clock and never a whole number: that ends its worker.
  const now = new Float(performance.now() / 1000);
  const there = new Set(known);
  const ids = revoked.sharedIds().filter(([id]) => !there.has(id));
  const stamps = revoked.sharedStamps().map(([{ header, value }, left]) => [header, value, left]);
  return {
    revoked: Object.fromEntries(ids.map(([id]) => [id, [now, id]])),
    [LEFT]: Object.fromEntries(ids),
    ...(stamps.length === 0 ? {} : { [STAMPS]: stamps }),
  };
}

const seconds = (value: unknown): number | undefined => (typeof value === 'number' && value > 0 ? value : undefined);

/** What it was told: ids as a list, or as an object with what the other knows of each. */
export function revokesTold({ revoked, [STAMPS]: stamps, [LEFT]: left }: Readonly<Record<string, unknown>>): Told {
  const ids: readonly unknown[] = isRecord(revoked) ? Object.keys(revoked) : Array.isArray(revoked) ? revoked : [];
  const leftOf = (id: string): number | undefined => (isRecord(left) && Object.hasOwn(left, id) ? seconds(left[id]) : undefined);
  const pairs: readonly unknown[] = Array.isArray(stamps) ? stamps : [];
  return {
    ids: ids.flatMap((id) => (typeof id === 'string' ? [[id, leftOf(id)] as const] : [])),
    stamps: pairs.flatMap((pair) => {
      const [header, value, time]: readonly unknown[] = Array.isArray(pair) ? pair : [];
      return typeof header === 'string' && typeof value === 'string' ? [[{ header, value }, seconds(time)] as const] : [];
    }),
  };
}
