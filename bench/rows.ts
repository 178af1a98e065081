// What is measured: the rows of docs/performance.md, their peers, and the ratios that Lovage promises.
import { CLI_ROWS } from './cli-rows.ts';
import {
  beatLateness,
  canvasTime,
  drain,
  drainHeard,
  enqueue,
  type Measure,
  memory,
  type Peer,
  sequentialGets,
  startToReady,
} from './lib/measure.ts';
import { POOL_ROWS } from './pool-rows.ts';

export interface Goal {
  /** The peer that Lovage is held against. */
  readonly peer: string;
  readonly ratio: number;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly unit: 'perSecond' | 'p50' | 'milliseconds' | 'mebibytes';
  readonly measure: Measure;
  /** The first one is Lovage. */
  readonly peers: readonly Peer[];
  /** Lovage's median over the peer's; for times the peer's over Lovage's. A goal below 1 allows Lovage so much less. */
  readonly goals: readonly Goal[];
  /** An upper limit of Lovage's own median, where the promise is a time. */
  readonly atMost?: number;
  /** A lower limit of it, where the promise is a rate. */
  readonly atLeast?: number;
}

type Others = Readonly<Record<string, Partial<Peer>>>;

const PROGRAMS: Readonly<Record<string, Pick<Peer, 'program' | 'broker'>>> = {
  Lovage: { program: 'lovage.ts', broker: 'redis' },
  BullMQ: { program: 'bullmq.ts', broker: 'redis' },
  'bee-queue': { program: 'bee-queue.ts', broker: 'redis' },
  'Celery prefork': { program: 'celery_peer.py', broker: 'redis' },
  'raw loop': { program: 'raw-redis.ts', broker: 'redis' },
  'bare timers': { program: 'raw-wait.ts', broker: 'redis' },
};

/** Peers with the same options for all, and differences by name. */
function peers(names: readonly string[], common: Pick<Peer, 'count'> & Partial<Peer>, differences: Others = {}): Peer[] {
  return names.map((name) => {
    const base = PROGRAMS[name] ?? PROGRAMS[name.split(',')[0] ?? ''];
    if (base === undefined) throw new Error(`No program for the peer '${name}'`);
    return { name, ...base, ...common, ...differences[name] };
  });
}

const NODE_PEERS = ['Lovage', 'BullMQ', 'bee-queue'];
/** Python does not warm up: fewer tasks give the same rate. */
const CELERY = { 'Celery prefork': { count: 4000 } };

const CANVASES = [
  { canvas: 'chain', title: 'Redis, a chain of 100', goals: [3, 8] },
  { canvas: 'group', title: 'Redis, a group of 1,000 and its results', goals: [4, 20] },
  { canvas: 'chord', title: 'Redis, a chord of 1,000 and its body', goals: [3, 30] },
] as const;

/** BullMQ's are flows: a tree whose parents wait for their children. */
const CANVAS_ROWS: readonly Row[] = CANVASES.map(({ canvas, title, goals: [bullmq, celery] }) => ({
  id: `canvas-${canvas}`,
  title,
  unit: 'milliseconds',
  measure: canvasTime,
  peers: peers(
    ['Lovage', 'BullMQ', 'Celery prefork'],
    { count: 100, options: { concurrency: 100, canvas } },
    { 'Celery prefork': { count: 2 } },
  ),
  goals: [
    { peer: 'BullMQ', ratio: bullmq },
    { peer: 'Celery prefork', ratio: celery },
  ],
}));

/** Tasks that wait for ten milliseconds: a hundred at once could run 10,000 times a second. The bare timers do nothing else. */
const WAIT_ROWS: readonly Row[] = [
  { concurrency: 100, atLeast: 9200, count: 20_000 },
  { concurrency: 1000, atLeast: 50_000, count: 40_000 },
].map(({ concurrency, atLeast, count }) => ({
  id: `redis-wait-${concurrency}`,
  title: `Redis, tasks that wait 10 ms, ${concurrency.toLocaleString('en-US')} at once`,
  unit: 'perSecond',
  measure: drain,
  peers: peers([...NODE_PEERS, 'bare timers'], { count, options: { concurrency, task: 'wait' } }),
  goals: [],
  atLeast,
}));

/** Pages that the worker alone has, and its share of the others. */
const MEMORY_ROWS: readonly Row[] = (
  [
    { figure: 'idle', title: 'Redis, memory of a worker at rest', ratio: 1 },
    { figure: 'busy', title: 'Redis, memory of a worker that ran 80,000 tasks', ratio: 1 / 0.85 },
  ] as const
).map(({ figure, title, ratio }) => ({
  id: `memory-${figure}`,
  title,
  unit: 'mebibytes',
  measure: memory,
  peers: peers(NODE_PEERS, { count: 40_000, options: { concurrency: 100, figure } }),
  goals: [{ peer: 'BullMQ', ratio }],
}));

export const ROWS: readonly Row[] = [
  {
    id: 'redis-enqueue-awaited',
    title: 'Redis, enqueue, each awaited',
    unit: 'perSecond',
    measure: enqueue,
    peers: peers(
      [...NODE_PEERS, 'Celery prefork', 'raw loop'],
      { count: 40_000, options: { mode: 'awaited' } },
      { 'Celery prefork': { count: 3000 } },
    ),
    goals: [{ peer: 'BullMQ', ratio: 1.6 }],
  },
  {
    id: 'redis-enqueue-inflight',
    title: 'Redis, enqueue, 100 in flight',
    unit: 'perSecond',
    measure: enqueue,
    peers: peers([...NODE_PEERS, 'raw loop'], { count: 200_000, options: { mode: 'inflight' } }),
    goals: [{ peer: 'BullMQ', ratio: 2.5 }],
  },
  {
    id: 'redis-enqueue-bulk',
    title: 'Redis, enqueue, 1,000 at once',
    unit: 'perSecond',
    measure: enqueue,
    peers: peers([...NODE_PEERS, 'raw loop'], { count: 40_000, options: { mode: 'bulk' } }),
    goals: [{ peer: 'BullMQ', ratio: 5 }],
  },
  {
    id: 'redis-drain',
    title: 'Redis, drain, late ack',
    unit: 'perSecond',
    measure: drain,
    peers: peers(
      [...NODE_PEERS, 'Lovage, `unacked` entries', 'Celery prefork', 'raw loop'],
      { count: 40_000, options: { concurrency: 100 } },
      { ...CELERY, 'Lovage, `unacked` entries': { options: { concurrency: 100, settings: { redisInFlight: 'celery' } } } },
    ),
    goals: [{ peer: 'BullMQ', ratio: 4 }],
  },
  {
    id: 'redis-drain-results',
    title: 'Redis, drain, late ack, with results',
    unit: 'perSecond',
    measure: drain,
    peers: peers(
      ['Lovage', 'Celery prefork', 'raw loop'],
      { count: 40_000, options: { concurrency: 100, results: true } },
      {
        'Celery prefork': { count: 3000 },
      },
    ),
    goals: [{ peer: 'Celery prefork', ratio: 10 }],
  },
  {
    id: 'redis-drain-events',
    title: 'Redis, drain, late ack, with events about every task',
    unit: 'perSecond',
    measure: drain,
    peers: peers(
      ['Lovage', 'Lovage, no events'],
      { count: 40_000, options: { concurrency: 100 } },
      { Lovage: { options: { concurrency: 100, settings: { workerSendTaskEvents: true } } } },
    ),
    goals: [{ peer: 'Lovage, no events', ratio: 0.85 }],
  },
  {
    id: 'redis-drain-heard',
    title: 'Redis, drain, late ack, with events about every task and a monitor that reads them',
    unit: 'perSecond',
    measure: drainHeard,
    peers: peers(
      ['Lovage', 'Lovage, no events'],
      { count: 40_000, options: { concurrency: 100 } },
      { Lovage: { options: { concurrency: 100, settings: { workerSendTaskEvents: true } } } },
    ),
    goals: [{ peer: 'Lovage, no events', ratio: 0.85 }],
  },
  ...WAIT_ROWS,
  ...MEMORY_ROWS,
  {
    id: 'redis-get',
    title: 'Redis, `.get()` one after the other',
    unit: 'perSecond',
    measure: sequentialGets,
    peers: peers([...NODE_PEERS, 'Celery prefork', 'raw loop'], { count: 10_000 }, { 'Celery prefork': { count: 500 } }),
    goals: [{ peer: 'BullMQ', ratio: 5 }],
  },
  {
    id: 'rabbitmq-drain',
    title: 'RabbitMQ, drain, late ack',
    unit: 'perSecond',
    measure: drain,
    peers: peers(
      ['Lovage', 'Celery prefork', 'raw loop'],
      { count: 40_000, broker: 'rabbitmq', options: { concurrency: 100 } },
      {
        'Celery prefork': { count: 6000 },
        'raw loop': { program: 'raw-amqp.ts' },
      },
    ),
    goals: [{ peer: 'Celery prefork', ratio: 5 }],
  },
  {
    id: 'rabbitmq-drain-events',
    title: 'RabbitMQ, drain, late ack, with events about every task',
    unit: 'perSecond',
    measure: drain,
    peers: peers(
      ['Lovage', 'Lovage, no events'],
      { count: 40_000, broker: 'rabbitmq', options: { concurrency: 100 } },
      { Lovage: { options: { concurrency: 100, settings: { workerSendTaskEvents: true } } } },
    ),
    goals: [{ peer: 'Lovage, no events', ratio: 0.85 }],
  },
  {
    id: 'embedded-drain',
    title: 'Embedded, drain, late ack',
    unit: 'perSecond',
    measure: drain,
    peers: peers(
      ['Lovage', 'BullMQ', 'raw loop'],
      { count: 40_000, options: { concurrency: 100 } },
      {
        Lovage: { broker: 'sqlite' },
        'raw loop': { program: 'raw-sqlite.ts', broker: 'sqlite' },
      },
    ),
    goals: [{ peer: 'BullMQ', ratio: 3 }],
  },
  {
    id: 'embedded-get',
    title: 'Embedded, `.get()` between processes, p50',
    unit: 'p50',
    measure: sequentialGets,
    peers: peers(['Lovage', 'BullMQ'], { count: 2000 }, { Lovage: { broker: 'sqlite' } }),
    goals: [],
    atMost: 0.5,
  },
  {
    id: 'start',
    title: 'Worker, start of the process to ready',
    unit: 'milliseconds',
    measure: startToReady,
    peers: peers(
      ['Lovage', 'BullMQ', 'bee-queue', 'Celery prefork', 'raw loop'],
      { count: 1 },
      { 'raw loop': { role: 'connect' } },
    ),
    goals: [{ peer: 'raw loop', ratio: 1 / 1.2 }],
  },
  {
    id: 'beat-10000',
    title: 'Redis, beat, 10,000 entries due in one second: how late the tasks begin, p50',
    unit: 'milliseconds',
    measure: beatLateness,
    peers: peers(
      ['Lovage', 'Lovage, p99', 'Lovage, the last one'],
      { count: 10_000, options: { figure: 'p50' } },
      { 'Lovage, p99': { options: { figure: 'p99' } }, 'Lovage, the last one': { options: { figure: 'max' } } },
    ),
    goals: [],
    atMost: 1000,
  },
  ...CLI_ROWS,
  ...CANVAS_ROWS,
  ...POOL_ROWS,
];
