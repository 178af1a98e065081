// `lovage status`: which workers answer, and is everything that a task needs within reach?

import { reasonOf } from '../../util/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { columns, type Output, printable, wrapped } from '../output.ts';
import { NOBODY, onlineLine, repliesByNode, replyLines } from './ask-workers.ts';
import { queueTable, reportQueues } from './queues.ts';
import { isRefusal, type Reachable, reach } from './reach.ts';
import { askParser } from './remote.ts';

interface Part {
  readonly url: string;
  readonly ok: boolean;
  readonly milliseconds?: number;
  readonly error?: string;
}

/** What was found, and whether it was refused. */
type Probed = readonly [part: Part, isRefused: boolean];

async function probe(part: Reachable, seconds: number): Promise<Probed> {
  const began = performance.now();
  try {
    await reach(part, seconds);
    return [{ url: part.url, ok: true, milliseconds: Math.round((performance.now() - began) * 100) / 100 }, false];
  } catch (error) {
    return [{ url: part.url, ok: false, error: reasonOf(error) }, isRefusal(error)];
  }
}

/** One line, or more of them in a narrow terminal. */
function lines(name: string, part: Part, out: Output): readonly string[] {
  const state = out.style(part.ok ? 'green' : 'red', part.ok ? 'ok  ' : 'DOWN');
  const words = [printable(part.url), part.ok ? `${part.milliseconds} ms` : printable(part.error ?? '')];
  const whole = `${name.padEnd(8)} ${words.join('  ')}`;
  // The state and a space stand before it.
  if (whole.length + 5 <= (columns() ?? Number.POSITIVE_INFINITY)) return [`${state} ${whole}`];
  return [`${state} ${name}`, ...words.flatMap((word) => wrapped(word, '     '))];
}

export const status: Command = defineCommand({
  name: 'status',
  summary: 'Show which workers answer, whether broker and result backend do, and the queues.',
  examples: ['lovage -A tasks.ts status --json'],
  parser: askParser,
  run: async ({ timeout, destination }, { loadApp, out }) => {
    const app = await loadApp();
    const patience = timeout ?? app.settings.brokerConnectionTimeout;
    const [[broker, isBrokerRefused], [results, isStoreRefused]] = await Promise.all([
      app.openBroker('read').then((part) => probe(part, patience)),
      app.openBackend().then((part) => probe(part, patience)),
    ]);
    const queues = broker.ok ? await reportQueues(app, []) : [];
    const asked = { timeout: timeout ?? 1, ...(destination === undefined ? {} : { destination }) };
    const workers = broker.ok ? await app.control.ask('ping', {}, asked) : [];
    out.answer({ app: app.name, broker, results, queues, workers: repliesByNode(workers) }, [
      ...lines('broker', broker, out),
      ...lines('results', results, out),
      ...(queues.length > 0 ? ['', ...queueTable(queues)] : []),
      ...(workers.length > 0 ? ['', ...workers.flatMap((reply) => replyLines(reply, out).slice(0, 1))] : []),
      ...(workers.length > 0 && !out.quiet ? ['', onlineLine(workers.length)] : []),
    ]);
    if (broker.ok && workers.length === 0) out.warn(`${out.style('red', 'Error:')} ${NOBODY}`);
    if (isBrokerRefused || isStoreRefused) return EXIT.failure;
    return broker.ok && results.ok && workers.length > 0 ? EXIT.ok : EXIT.unavailable;
  },
});
