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
`;
}
