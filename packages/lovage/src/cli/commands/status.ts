// `lovage status`: is everything that a task needs within reach?
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { withDefault } from '@optique/core/modifiers';
import { option } from '@optique/core/primitives';
import { float } from '@optique/core/valueparser';
import { BrokerConnectionError, deadline } from '../../util/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { printable } from '../output.ts';
import { queueTable, reportQueues } from './queues.ts';

interface Part {
  readonly url: string;
  readonly ok: boolean;
  readonly milliseconds?: number;
  readonly error?: string;
}

async function probe(part: { readonly url: string; check(signal: AbortSignal): Promise<void> }, seconds: number): Promise<Part> {
  using limit = deadline(seconds, () => new BrokerConnectionError(`no answer within ${seconds} s`), undefined, { ref: true });
  const began = performance.now();
  try {
    await part.check(limit.signal);
    return { url: part.url, ok: true, milliseconds: Math.round((performance.now() - began) * 100) / 100 };
  } catch (error) {
    return { url: part.url, ok: false, error: error instanceof Error ? error.message : String(error) };
  }
}

export const status: Command = defineCommand({
  name: 'status',
  summary: 'Check that broker and result backend answer, and show the queues.',
  examples: ['lovage -A tasks.ts status --json'],
  parser: object({
    timeout: withDefault(
      option('-t', '--timeout', float({ metavar: 'SECONDS', min: 0 }), {
        description: message`How long to wait for each answer.`,
      }),
      4,
    ),
  }),
  run: async ({ timeout }, { loadApp, out }) => {
    const app = await loadApp();
    const broker = await probe(await app.openBroker('read'), timeout);
    const results = await probe(await app.openBackend(), timeout);
    const queues = broker.ok ? await reportQueues(app, []) : [];
    const line = (name: string, part: Part): string =>
      `${out.style(part.ok ? 'green' : 'red', part.ok ? 'ok  ' : 'DOWN')} ${name.padEnd(8)} ${printable(part.url)}${part.ok ? `  ${part.milliseconds} ms` : `  ${printable(part.error ?? '')}`}`;
    out.answer({ app: app.name, broker, results, queues }, [
      line('broker', broker),
      line('results', results),
      ...(queues.length > 0 ? ['', ...queueTable(queues)] : []),
    ]);
    return broker.ok && results.ok ? EXIT.ok : EXIT.unavailable;
  },
});
