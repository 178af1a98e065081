// Canvases that are made here, typed, on Python workers, and on workers of both languages by turns.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lovage } from '../../src/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { type CanvasTasks, canvases, declareCanvasTasks, type Sendable } from '../support/canvases.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';
import { startPythonWorker } from './peer.ts';

interface Bench extends AsyncDisposable {
  readonly js: CanvasTasks;
  readonly py: CanvasTasks;
}

async function start(broker: 'Redis' | 'RabbitMQ'): Promise<Bench> {
  const prefix = `canvas-${process.pid}-${broker.toLowerCase()}`;
  const [jsQueue, pyQueue] = [`${prefix}.js`, `${prefix}.py`];
  const brokerUrl = broker === 'Redis' ? redisUrl() : amqpUrl();
  await using stack = new AsyncDisposableStack();
  const app = new Lovage('canvas', { brokerUrl, resultBackend: redisUrl(), taskDefaultQueue: jsQueue, resultExpires: 300 });
  stack.defer(() => app.close());
  declareCanvasTasks(app, 'js.');
  stack.use(await startWorker(app, { concurrency: 10, hostname: `${prefix}@js` }));
  const peers = { broker: brokerUrl, backend: redisUrl(), prefix, module: 'canvas' };
  stack.use(await startPythonWorker({ ...peers, queues: [pyQueue, pyQueue] }));
  const owned = stack.move();
  return { js: handles(app, 'js', jsQueue), py: handles(app, 'py', pyQueue), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The tasks of one side. A step must say its queue, because whoever is before it sends it. */
function handles(app: Lovage, side: string, queue: string): CanvasTasks {
  return {
    add: app.remote<(x: number, y: number) => number>(`${side}.add`, { queue }),
    double: app.remote<(x: number) => number>(`${side}.double`, { queue }),
    sum: app.remote<(numbers: number[]) => number>(`${side}.sum`, { queue }),
    list: app.remote<(value: unknown) => unknown[]>(`${side}.list`, { queue }),
    one: app.remote<() => number>(`${side}.one`, { queue }),
  };
}

/** The tasks of two sides by turns, signature by signature. */
function alternating(first: CanvasTasks, second: CanvasTasks): CanvasTasks {
  let turn = 0;
  const either = (name: keyof CanvasTasks): unknown => {
    const next = () =>
      (turn++ % 2 === 0 ? first : second)[name] as unknown as Record<'s' | 'si', (...args: unknown[]) => unknown>;
    return { s: (...args: unknown[]) => next().s(...args), si: (...args: unknown[]) => next().si(...args) };
  };
  const names = ['add', 'double', 'sum', 'list', 'one'] as const;
  return Object.fromEntries(names.map((name) => [name, either(name)])) as unknown as CanvasTasks;
}

describe.each(['Redis', 'RabbitMQ'] as const)('a canvas made in TypeScript, on %s', (broker) => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await start(broker);
  });
  afterAll(() => bench?.[Symbol.asyncDispose]());

  const sides: readonly (readonly [string, () => CanvasTasks])[] = [
    ['all of it in Python', () => bench.py],
    ['TypeScript and Python by turns', () => alternating(bench.js, bench.py)],
    ['Python and TypeScript by turns', () => alternating(bench.py, bench.js)],
  ];
  describe.each(sides)('%s', (_side, tasks) => {
    for (const { title, make, expected, missing } of canvases) {
      test(title, async () => {
        const result = await (make(tasks()) as Sendable).delay(...missing);
        expect(await result?.get({ timeout: 30 })).toEqual(expected);
      });
    }
  });
});
