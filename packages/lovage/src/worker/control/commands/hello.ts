import { isRecord } from '../../../protocol/index.ts';
import { Float } from '../../../serialization/index.ts';
import { type Command, isAllowed } from '../seam.ts';

/** Ids that a neighbour tells of: a list, or an object with what it knows of each. */
function idsOf(revoked: unknown): readonly string[] {
  if (Array.isArray(revoked)) return revoked.filter((id): id is string => typeof id === 'string');
  return isRecord(revoked) ? Object.keys(revoked) : [];
}

/** Mingle: two workers tell each other which tasks are revoked and how late it is. */
export const hello: Command = {
  name: 'hello',
  kind: 'inspect',
  visible: false,
  help: 'Exchange revoked ids and clocks with a worker that starts.',
  args: [{ name: 'from_node', required: true }, { name: 'revoked' }],
  open: true,
  run: ({ host, port }, { from_node: from, revoked }) => {
    if (from === host.hostname) return null;
    // It is a question, but what it brings is a revoke: whose setting remoteControl allows none gets none this way either.
    const mayRevoke = isAllowed({ name: 'revoke' }, port.settings.remoteControl);
    const ids = mayRevoke ? idsOf(revoked).filter((id) => !host.revoked.has(id)) : [];
    for (const id of ids) host.revoked.add(id);
    if (ids.length > 0) host.consumer?.flow.revokeWaiting();
    return { revoked: helloRevoked(host.revoked.ids()), clock: port.clock.forward() };
  },
};

/** Celery wants a time beside each id, of its own monotonic clock and never a whole number: that ends its worker. */
export function helloRevoked(ids: readonly string[]): Readonly<Record<string, readonly [Float, string]>> {
  const now = new Float(performance.now() / 1000);
  return Object.fromEntries(ids.map((id) => [id, [now, id] as const]));
}
