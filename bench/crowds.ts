// `node bench/crowds.ts redis|sqlite|rabbitmq [parked] [waiting]`: what a hundred thousand parked tasks and a million waiting ones do to a
// worker and to the work beside them. Alone on the machine; prints the rows of two tables. The package has to be built.
import { setTimeout as delay } from 'node:timers/promises';
import { startProgram } from './lib/child.ts';
import { type Kind, Places } from './lib/place.ts';
import { spread } from './lib/stats.ts';
import type { Options } from './programs/protocol.ts';

const PARKED = 100_000;
const WAITING = 1_000_000;
/** In which they are sent: no program may be silent for a minute. */
const PARTS = 10;
/** Calls of one look at ready work; as many before them only warm up. */
const CALLS = 500;
/** Tasks of one measurement, and a quarter as many that warm its producer up: enough to take half a second. */
const FEW = 80_000;
const ROUNDS = 7;
const PROGRAM = 'lovage.ts';

const kinds: readonly Kind[] = ['redis', 'sqlite', 'rabbitmq'];
const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

async function once(role: string, options: Options): Promise<Readonly<Record<string, number>>> {
  await using program = startProgram(PROGRAM, role, options);
  return await program.next();
}

/** Calls with their results, and the memory of the worker, before and beside what is parked. */
async function parked(kind: Kind, places: Places): Promise<string> {
  await using place = await places.open(kind);
  const options: Options = { url: place.url, queue: place.queue, count: CALLS, results: true };
  await using worker = startProgram(PROGRAM, 'worker', { ...options, count: 2 ** 40 });
  await worker.next();
  const look = async () => {
    const { p50 = Number.NaN, p99 = Number.NaN } = await once('get', options);
    return { p50, p99, mebibytes: worker.mebibytes() };
  };
  await look();
  const before = await look();
  const parkings: number[] = [];
  for (let part = 0; part < PARTS; part++)
    parkings.push((await once('park', { ...options, count: PARKED / PARTS })).perSecond ?? 0);
  await delay(2000);
  const beside = await look();
  const figures = [before.mebibytes, beside.mebibytes, before.p50, beside.p50, before.p99, beside.p99];
  const cells = figures.map((figure, index) => figure.toFixed(index < 2 ? 0 : 2));
  return `| ${[kind, whole(spread(parkings).median), ...cells].join(' | ')} |`;
}

interface Rates {
  readonly publish: number;
  readonly drain: number;
  readonly mebibytes: number;
}

async function rates(options: Options): Promise<Rates> {
  const { perSecond: publish = Number.NaN } = await once('enqueue', { ...options, mode: 'bulk' });
  // All that was sent, so that a queue that was empty is so again.
  await using worker = startProgram(PROGRAM, 'worker', { ...options, count: (FEW * 5) / 4 / 2 });
  await worker.next();
  const { perSecond: drain = Number.NaN } = await worker.next();
  return { publish, drain, mebibytes: worker.mebibytes() };
}

/** Publishing and draining on a queue that is nearly empty, and behind a million, in turn. */
async function waiting(kind: Kind, places: Places): Promise<string> {
  await using empty = await places.open(kind);
  await using full = await places.open(kind);
  const at = ({ url, queue }: typeof empty): Options => ({ url, queue, count: FEW, concurrency: 100 });
  for (let part = 0; part < PARTS; part++)
    await once('enqueue', { ...at(full), mode: 'bulk', count: (WAITING / PARTS) * (4 / 5) });
  const few: Rates[] = [];
  const many: Rates[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    few.push(await rates(at(empty)));
    many.push(await rates(at(full)));
  }
  const middle = (list: readonly Rates[], figure: keyof Rates): number => spread(list.map((each) => each[figure])).median;
  // Round by round: what disturbs the machine disturbs both queues.
  const share = (figure: 'publish' | 'drain'): string => {
    const { median, min, max } = spread(many.map((each, round) => each[figure] / (few[round]?.[figure] ?? Number.NaN)));
    return `${whole(100 * median)} (${whole(100 * min)}–${whole(100 * max)})`;
  };
  const cells = (['publish', 'drain', 'mebibytes'] as const).flatMap((figure) => [middle(few, figure), middle(many, figure)]);
  return `| ${[kind, ...cells.map(whole), share('publish'), share('drain')].join(' | ')} |`;
}

const words = process.argv.slice(2);
const kind = kinds.find((each) => each === words[0]);
if (kind === undefined) throw new Error(`Say on which broker: ${kinds.join(', ')}.`);
await using places = new Places();
if (words.length === 1 || words.includes('parked')) {
  console.log('| broker | parked a second | worker, MiB | beside 100,000 | `.get()`, p50 ms | beside | p99 ms | beside |');
  console.log(`|---|--:|--:|--:|--:|--:|--:|--:|\n${await parked(kind, places)}`);
}
if (words.length === 1 || words.includes('waiting')) {
  console.log(
    '| broker | publish /s | with a million | drain /s | with a million | worker, MiB | with a million | publish, % | drain, % |',
  );
  console.log(`|---|--:|--:|--:|--:|--:|--:|--:|--:|\n${await waiting(kind, places)}`);
}
