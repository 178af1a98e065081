// The rows of the pools: what a job costs on its way to a child process and back, and tasks that compute.

import { startProgram } from './lib/child.ts';
import { drain, type Measure, type Peer } from './lib/measure.ts';
import type { Row } from './rows.ts';

/** No broker: jobs a second between two processes. */
const handOver: Measure = async ({ program, role = 'pool', count, options }) => {
  await using running = startProgram(program, role, { url: '', queue: '', count, ...options });
  return await running.next();
};

function handOverPeers(count: number, concurrency: number): readonly Peer[] {
  const common = { program: 'handover.ts', broker: 'redis', count, options: { concurrency } } as const;
  return [
    { name: 'Lovage', role: 'pool', ...common },
    { name: 'raw pipe', role: 'raw', ...common },
  ];
}

export const POOL_ROWS: readonly Row[] = [
  {
    id: 'handover',
    title: 'Hand-over to a child of `prefork` and back, 100 in flight',
    unit: 'perSecond',
    measure: handOver,
    peers: handOverPeers(200_000, 100),
    goals: [{ peer: 'raw pipe', ratio: 0.8 }],
  },
  {
    id: 'handover-single',
    title: 'Hand-over to a child of `prefork` and back, one after the other, both on one core',
    unit: 'perSecond',
    measure: handOver,
    peers: handOverPeers(20_000, 1),
    goals: [{ peer: 'raw pipe', ratio: 0.8 }],
  },
  {
    id: 'hashing',
    title: 'Redis, hashing (some 5 ms of a core) in two processes',
    unit: 'perSecond',
    measure: drain,
    peers: [
      { name: 'Lovage', program: 'lovage-hash.ts', broker: 'redis', count: 3000, options: { concurrency: 2 } },
      { name: 'Celery prefork', program: 'celery_peer.py', broker: 'redis', count: 1000, options: { task: 'hash' } },
      { name: 'raw loop', program: 'raw-prefork.ts', broker: 'redis', count: 3000, options: { concurrency: 2 } },
      { name: 'two bare loops', program: 'raw-hash.ts', broker: 'redis', count: 3000, options: { concurrency: 2 } },
    ],
    goals: [
      { peer: 'two bare loops', ratio: 0.95 },
      { peer: 'Celery prefork', ratio: 1.5 },
    ],
  },
];
