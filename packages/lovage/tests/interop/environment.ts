// One broker with everything on it: a Lovage app with its worker, a Python worker, a Python client, queues of their own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireBinary } from '../../../../scripts/servers/install.ts';
import { Lovage } from '../../src/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';
import { type PythonClient, type PythonProgram, startPythonClient, startPythonProgram, startPythonWorker } from './peer.ts';
import { defineTasks } from './tasks.ts';

export type BrokerName = 'Redis' | 'RabbitMQ';

export interface Interop extends AsyncDisposable {
  readonly app: Lovage;
  readonly py: PythonClient;
  /** Served by the Lovage worker only, by the Python worker only, by both. */
  readonly jsQueue: string;
  readonly pyQueue: string;
  readonly sharedQueue: string;
  readonly prefix: string;
  /** A new path in a folder that goes away. */
  path(name: string): string;
  /** `celery beat` with these entries. */
  celeryBeat(schedule: Readonly<Record<string, unknown>>): PythonProgram;
}

const PACKAGES = ['python3-celery', 'python3-redis', 'python3-msgpack', 'python3-yaml', 'python3-brotli', 'python3-zstandard'];

export async function startInterop(broker: BrokerName): Promise<Interop> {
  for (const module of ['celery', 'redis', 'msgpack', 'yaml', 'zstandard'])
    requireBinary([`/usr/lib/python3/dist-packages/${module}/__init__.py`], PACKAGES);
  requireBinary(['/usr/lib/python3/dist-packages/brotli.py'], PACKAGES);
  const prefix = `interop-${process.pid}-${broker.toLowerCase()}`;
  const [jsQueue, pyQueue, sharedQueue] = [`${prefix}.js`, `${prefix}.py`, `${prefix}.shared`];
  const brokerUrl = broker === 'Redis' ? redisUrl() : amqpUrl();
  const resultBackend = broker === 'Redis' ? redisUrl() : 'rpc://';
  const folder = mkdtempSync(join(tmpdir(), 'lovage-interop-'));

  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const app = new Lovage('interop', {
    brokerUrl,
    resultBackend,
    jsonTypes: 'plain',
    acceptContent: ['json', 'msgpack', 'yaml'],
    taskDefaultQueue: jsQueue,
    resultExpires: 300,
    taskQueues: [
      { name: jsQueue },
      { name: sharedQueue },
      { name: `${prefix}.js.topic`, exchange: `${prefix}.topic`, exchangeType: 'topic', routingKey: 'to.js.#' },
    ],
  });
  stack.defer(() => app.close());
  defineTasks(app);
  stack.use(await startWorker(app, { concurrency: 10, hostname: `${prefix}@js` }));
  const peers = { broker: brokerUrl, backend: resultBackend, prefix };
  stack.use(await startPythonWorker({ ...peers, queues: [pyQueue, sharedQueue] }));
  const py = stack.use(startPythonClient({ ...peers, queues: [jsQueue, pyQueue, sharedQueue] }));
  const owned = stack.move();
  let files = 0;
  const path = (name: string): string => join(folder, `${++files}-${name}`);
  return {
    app,
    py,
    jsQueue,
    pyQueue,
    sharedQueue,
    prefix,
    path,
    celeryBeat: (schedule) =>
      startPythonProgram(['-m', 'celery', '-A', 'peer', 'beat', '-s', path('celerybeat'), '--max-interval', '1', '--pidfile='], {
        ...peers,
        queues: [jsQueue, pyQueue, sharedQueue],
        variables: { INTEROP_BEAT: JSON.stringify(schedule) },
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
