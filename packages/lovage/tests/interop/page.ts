// The page docs/interop.md, made from what a run saw.
import type { Feature } from './features.ts';

export function interopPage(
  features: readonly Feature[],
  directions: readonly string[],
  brokers: readonly string[],
  passed: (feature: string, direction: string, broker: string) => boolean,
): string {
  const columns = directions.flatMap((direction) => brokers.map((broker) => ({ direction, broker })));
  const head = `| feature | ${columns.map(({ direction, broker }) => `${direction}, ${broker}`).join(' | ')} | note |`;
  const rows = features.map(
    ({ name, note }) =>
      `| ${name} | ${columns.map(({ direction, broker }) => (passed(name, direction, broker) ? 'works' : 'FAILS')).join(' | ')} | ${note ?? ''} |`,
  );
  return `# Lovage and Celery

This page is written by the test run (\`npm run test:interop\`): each cell was seen to work between Lovage and a real Python Celery on a real
broker. The Python side is Debian 12's Celery 5.2.6 with kombu 5.2.4 and its prefork pool; results travel through Redis on Redis and through
\`rpc://\` on RabbitMQ. That Celery is older than the wire format that Lovage's vectors were captured from (5.6.2): it has no tagged JSON types,
so the Lovage app of this test sets \`jsonTypes: 'plain'\`.

${head}
|${' --- |'.repeat(columns.length + 2)}
${rows.join('\n')}

## Canvases

Canvases run on workers of both languages, over Redis and over RabbitMQ, with results in Redis:

- made in TypeScript, on Python workers, and with steps and members of both by turns ([canvas.test.ts](../packages/lovage/tests/interop/canvas.test.ts));
- made in Python, on Lovage workers: over six hundred scenarios, what each gives, roots, parents and groups, stamps, how each fails and which
  records that leaves, revokes, errbacks of both styles, every kind of canvas in the place of a task wherever it stands
  ([scenarios.py](../packages/lovage/tests/interop/python/scenarios.py));
- chords whose members and bodies alternate between the languages, random canvases against a model, parts in the order of their coming
  ([joins.test.ts](../packages/lovage/tests/interop/joins.test.ts));
- groups that one language saved and the other restores ([groups.test.ts](../packages/lovage/tests/interop/groups.test.ts)).

Where a Celery worker would leave somebody waiting for ever (a chord in a header that fails, steps behind a failed chord, an unknown or revoked
member), a Lovage worker ends those who wait, with the cause. A Celery worker that starts a group at the end of a member still writes that
group's size over the chord's: if all later parts come from Celery workers, such a chord may end early, or never, as between Celery workers.
`;
}
