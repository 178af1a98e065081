// `lovage status`: is everything that a task needs within reach?
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { withDefault } from '@optique/core/modifiers';
import { option } from '@optique/core/primitives';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { seconds } from '../options.ts';
import { type Output, printable } from '../output.ts';
import { queueTable, reportQueues } from './queues.ts';
import { because, type Reachable, reach } from './reach.ts';

interface Part {
  readonly url: string;
  readonly ok: boolean;
  readonly milliseconds?: number;
  readonly error?: string;
}

async function probe(part: Reachable, seconds: number): Promise<Part> {
  const began = performance.now();
  try {
    await reach(part, seconds);
    return { url: part.url, ok: true, milliseconds: Math.round((performance.now() - began) * 100) / 100 };
  } catch (error) {
    return { url: part.url, ok: false, error: because(error) };
  }
}

function line(name: string, part: Part, out: Output): string {
  const state = out.style(part.ok ? 'green' : 'red', part.ok ? 'ok  ' : 'DOWN');
  return `${state} ${name.padEnd(8)} ${printable(part.url)}  ${part.ok ? `${part.milliseconds} ms` : printable(part.error ?? '')}`;
}

export const status: Command = defineCommand({
  name: 'status',
  summary: 'Check that broker and result backend answer, and show the queues.',
  examples: ['lovage -A tasks.ts status --json'],
  parser: object({
    timeout: withDefault(
      option('-t', '--timeout', seconds(), {
        description: message`How long to wait for each answer.`,
      }),
      4,
      { message: message`4` },
    ),
  }),
  run: async ({ timeout }, { loadApp, out }) => {
    const app = await loadApp();
    const [broker, results] = await Promise.all([
      app.openBroker('read').then((part) => probe(part, timeout)),
      app.openBackend().then((part) => probe(part, timeout)),
    ]);
    const queues = broker.ok ? await reportQueues(app, []) : [];
    out.answer({ app: app.name, broker, results, queues }, [
      line('broker', broker, out),
      line('results', results, out),
      ...(queues.length > 0 ? ['', ...queueTable(queues)] : []),
    ]);
    return broker.ok && results.ok ? EXIT.ok : EXIT.unavailable;
  },
});
