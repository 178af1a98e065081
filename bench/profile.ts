// `node bench/profile.ts [count] [redis|rabbitmq|sqlite]`: where each microsecond of a task goes. Runs producers and workers of Lovage on a private
// server or a new file under V8's sampling profiler, gives each sample to the room of the library that it fell into, and looks what the server
// spent. Prints the tables of docs/performance.md.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProgram } from './lib/child.ts';
import { type Kind, type Place, Places } from './lib/place.ts';
import type { Options } from './programs/protocol.ts';

interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

type Costs = Map<string, number>;

/** The files of a built chunk by the line at which each begins. */
const chunks = new Map<string, readonly (readonly [line: number, file: string])[]>();

function sourceOf({ url, lineNumber }: Frame): string {
  let starts = chunks.get(url);
  if (starts === undefined) {
    const lines = readFileSync(fileURLToPath(url), 'utf8').split('\n');
    starts = lines.flatMap((line, at) => {
      const file = /^\/\/ (?:.*\/)?src\/(.+)$/.exec(line)?.[1];
      return file === undefined ? [] : [[at, file] as const];
    });
    chunks.set(url, starts);
  }
  return starts.findLast(([line]) => line <= lineNumber)?.[1] ?? 'library';
}

const NATIVE: Readonly<Record<string, string>> = {
  '(idle)': 'waiting',
  '(garbage collector)': 'garbage collector',
  writev: 'writes to sockets',
  writeBuffer: 'writes to sockets',
  writeUtf8String: 'writes to sockets',
  writeLatin1String: 'writes to sockets',
};

/** Natives that load programs. */
const LOADING = /^(compile\w*|internalModule\w*|readPackage\w*|lstat|stat|open|read|close|wasm-function.*|Module|createRequire)$/;
/** What is no cost of a task. */
const ASIDE = new Set(['waiting', 'start', 'all of it']);

/** The part of the program that a sample belongs to. */
function partOf(frame: Frame): string {
  const { functionName, url } = frame;
  // Built into one file.
  if (/\/chunks\/ioredis-[^/]+$/.test(url)) return 'ioredis';
  if (url.includes('/lovage/dist/')) {
    const source = sourceOf(frame);
    const [room = '', next = ''] = source.split('/');
    return room === 'broker' || room === 'result' || room === 'util' ? `${room}/${next.replace(/\.ts$/, '')}` : room;
  }
  if (url.includes('/node_modules/amqplib/')) return 'amqplib';
  if (url.includes('/bench/')) return 'the task and its caller';
  if (/internal\/(modules|bootstrap|process\/esm|vm)|^node:(module|path|url)/.test(url) || LOADING.test(functionName))
    return 'start';
  if (url === '') return NATIVE[functionName] ?? 'V8 and Node';
  return 'V8 and Node';
}

function costsOf(folder: string, count: number): Costs {
  // Other threads (the keeper) write files of their own.
  const file = readdirSync(folder).find((name) => /^CPU\.\d+\.\d+\.\d+\.0\./.test(name));
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, file ?? ''), 'utf8')) as Profile;
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const costs: Costs = new Map();
  for (const [at, id] of samples.entries()) {
    const frame = frames.get(id);
    if (frame === undefined) continue;
    const part = partOf(frame);
    costs.set(part, (costs.get(part) ?? 0) + (timeDeltas[at] ?? 0) / count);
  }
  return costs;
}

/** Microseconds of a core that a process group has spent so far, those of its ended members left out. */
function groupMicros(group: number): number {
  const TICKS = 100;
  const spent = readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return Number(fields[2]) === group ? [Number(fields[11]) + Number(fields[12])] : [];
    } catch {
      // It has just ended.
      return [];
    }
  });
  return (spent.reduce((sum, ticks) => sum + ticks, 0) / TICKS) * 1e6;
}

/** Microseconds of CPU that the server has spent, and of Redis' commands. */
async function serverCosts({ url, pid }: Place): Promise<Costs> {
  if (pid === undefined) return new Map();
  const costs: Costs = new Map([['all of it', groupMicros(pid)]]);
  if (!url.startsWith('redis')) return costs;
  const { Redis } = await import('ioredis');
  const redis = new Redis(url);
  const info = await redis.info('commandstats');
  redis.disconnect();
  for (const [, name = '', micros] of info.matchAll(/cmdstat_(lpush|evalsha):calls=\d+,usec=(\d+)/g))
    costs.set(name, Number(micros));
  return costs;
}

interface Measured {
  readonly client: Costs;
  readonly server: Costs;
}

/** Runs one program under the profiler, until it has answered `answers` times. */
async function profiled(role: string, options: Options, tasks: number, answers: number): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'lovage-profile-'));
  const before = await serverCosts(place);
  process.env.NODE_OPTIONS = `--cpu-prof --cpu-prof-interval=200 --cpu-prof-dir=${folder}`;
  {
    await using program = startProgram('lovage.ts', role, options);
    process.env.NODE_OPTIONS = '';
    for (let answer = 0; answer < answers; answer++) await program.next();
  }
  const after = await serverCosts(place);
  const server: Costs = new Map([...after].map(([name, micros]) => [name, (micros - (before.get(name) ?? 0)) / tasks]));
  const client = costsOf(folder, tasks);
  rmSync(folder, { recursive: true });
  return { client, server };
}

function print(title: string, { client, server }: Measured): void {
  const text = (costs: Costs): string =>
    [...costs]
      .filter(([part, micros]) => !ASIDE.has(part) && micros >= 0.1)
      .sort(([, a], [, b]) => b - a)
      .map(([part, micros]) => `${part} ${micros.toFixed(1)}`)
      .join(', ');
  const all = [...client].reduce((sum, [part, micros]) => sum + (ASIDE.has(part) ? 0 : micros), 0);
  console.log(
    `| ${title} | ${all.toFixed(1)} | ${text(client)} | ${(server.get('all of it') ?? 0).toFixed(1)} | ${text(server)} |`,
  );
}

const COUNT = Number(process.argv[2] ?? 200_000);
await using places = new Places();
const kind = (['redis', 'rabbitmq', 'sqlite'] satisfies Kind[]).find((each) => each === (process.argv[3] ?? 'redis'));
if (kind === undefined) throw new Error('Say on which broker: redis, rabbitmq or sqlite.');
await using place = await places.open(kind);
const base = { url: place.url, queue: place.queue };
console.log('| | Lovage, µs a task | of these | the server, µs a task | of these |\n| --- | --: | --- | --: | --- |');
for (const mode of ['awaited', 'inflight', 'bulk'] as const) {
  const count = Math.ceil((mode === 'awaited' ? COUNT / 5 : COUNT) * 0.8);
  // A quarter as many warm it up.
  print(`publish, ${mode}`, await profiled('enqueue', { ...base, queue: mode, count, mode }, count * 1.25, 1));
}
const DRAINS: Readonly<Record<string, Partial<Options>>> = {
  drain: {},
  // On RabbitMQ results go to whoever asked, who is gone.
  ...(kind === 'rabbitmq' ? {} : { 'drain with results': { results: true } }),
  'drain with events': { settings: { workerSendTaskEvents: true } },
};
for (const [title, extra] of Object.entries(DRAINS)) {
  const options = { ...base, queue: title.replaceAll(' ', '-'), ...extra };
  {
    await using filler = startProgram('lovage.ts', 'enqueue', { ...options, mode: 'bulk', count: Math.ceil(COUNT * 0.8) });
    await filler.next();
  }
  print(title, await profiled('worker', { ...options, count: COUNT / 2, concurrency: 100 }, COUNT, 2));
}
