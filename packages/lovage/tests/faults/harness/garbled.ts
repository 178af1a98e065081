// Files of the embedded broker that were garbled in many ways, and what can still be had from them.
import { cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Broker, DEFAULT_DEAD_LETTERS, openBroker } from '../../../src/broker/index.ts';
import { type Random, seededRandom } from './random.ts';

/** Messages in a file. */
export const MESSAGES = 120;
/** Bytes of a page of the file. */
export const PAGE = 4096;
/** Where the messages are. */
export const QUEUE = 'work';

/** The broker of such a file. */
export function openFile(path: string): Promise<Broker> {
  return openBroker({
    url: `sqlite://${path}`,
    appName: 'disk',
    connectTimeout: 4,
    heartbeat: 10,
    transportOptions: {},
    deadLetters: DEFAULT_DEAD_LETTERS,
  });
}

/** A file with so many messages in it, numbered in their bodies, closed in good order. */
export async function written(path: string): Promise<void> {
  await using broker = await openFile(path);
  await broker.declare({ exchanges: [], queues: [{ name: QUEUE, durable: true, arguments: {} }], bindings: [] });
  const messages = Array.from({ length: MESSAGES }, (_, number) => ({
    exchange: '',
    routingKey: QUEUE,
    headers: { task: 'disk.task', id: `id-${number}` },
    properties: { contentType: 'text/plain', contentEncoding: 'utf-8' },
    body: Buffer.from(`${number} ${'x'.repeat(500)}`),
  }));
  await broker.publish(messages, { signal: AbortSignal.timeout(5000) });
}

/** What does not come within two seconds does not come: a place may have lost its message. */
async function soon<Value>(next: Promise<IteratorResult<Value, undefined>>): Promise<{ readonly value?: Value | undefined }> {
  const { promise, resolve } = Promise.withResolvers<Record<string, never>>();
  const timer = setTimeout(() => resolve({}), 2000);
  try {
    return await Promise.race([next, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Every message that can be had from the file, by task id. */
async function drained(path: string): Promise<readonly string[]> {
  await using broker = await openFile(path);
  const ids: string[] = [];
  // What was saved without its queue lies in one that says so.
  for (const queue of [QUEUE, 'lovage.saved.1']) {
    if ((await broker.count(queue)) === undefined) continue;
    await using subscription = await broker.subscribe([queue], { prefetch: 1000, node: 'disk@test' });
    const batches = subscription[Symbol.asyncIterator]();
    for (let left = (await broker.count(queue))?.ready ?? 0; left > 0; ) {
      const { value = [] } = await soon(batches.next());
      ids.push(...value.map(({ headers }) => String(headers.id)));
      left -= value.length;
      await subscription.settle(value.map((delivery) => ({ verdict: 'ack', delivery })));
      if (value.length === 0) break;
    }
  }
  return ids;
}

/** Opens and empties it as a worker would, which tries again after each error that trying again can help; few tries must do. */
export async function survivors(path: string): Promise<readonly string[] | Error> {
  const ids = new Set<string>();
  let last: Error | undefined;
  for (let attempt = 0; attempt < 4; attempt++) {
    try {
      for (const id of await drained(path)) ids.add(id);
      return [...ids];
    } catch (error) {
      last = error as Error;
      if ((error as { transient?: boolean }).transient !== true) return last;
    }
  }
  throw new Error(`Opened four times, and still: ${last}`, { cause: last });
}

type Damage = (path: string, random: Random) => void;

export function overwrite(path: string, at: number, bytes: Buffer): void {
  const content = readFileSync(path);
  bytes.copy(content, at);
  writeFileSync(path, content);
}

const damages: Readonly<Record<string, Damage>> = {
  truncated: (path, random) => truncateSync(path, random.int(1, statSync(path).size - 1)),
  'cut by whole pages': (path, random) => truncateSync(path, PAGE * random.int(1, statSync(path).size / PAGE - 1)),
  'with flipped bits': (path, random) => {
    const content = readFileSync(path);
    for (let count = random.int(1, 50); count > 0; count--) {
      const at = random.int(0, content.length - 1);
      content[at] = (content[at] ?? 0) ^ (1 << random.int(0, 7));
    }
    writeFileSync(path, content);
  },
  'with a page of zeros': (path, random) =>
    overwrite(path, PAGE * random.int(0, statSync(path).size / PAGE - 1), Buffer.alloc(PAGE)),
  'with a page of noise': (path, random) =>
    overwrite(
      path,
      PAGE * random.int(0, statSync(path).size / PAGE - 1),
      Buffer.from(Array.from({ length: PAGE }, () => random.int(0, 255))),
    ),
  'with a page twice': (path, random) => {
    const pages = statSync(path).size / PAGE;
    const from = PAGE * random.int(0, pages - 1);
    overwrite(path, PAGE * random.int(1, pages - 1), readFileSync(path).subarray(from, from + PAGE));
  },
};

/** What became of many garbled files. */
export interface GarbledReport {
  readonly variants: number;
  /** Moved aside, and their readable rows saved. */
  readonly saved: number;
  /** Left alone, with an error that names them: what is not SQLite's beginning may be anybody's. */
  readonly refused: number;
  /** Messages of all files that were saved, and those of them that came out. */
  readonly messages: number;
  readonly survived: number;
  readonly violations: readonly string[];
}

/** The most messages that damage may cost where SQLite does not call the file damaged: a page or two of them, and their places. */
const UNSEEN = 50;

/** Garbles copies of one file, each in one way, and empties each as a worker would. */
export async function garbleMany(folder: string, seed: number, variants: number): Promise<GarbledReport> {
  const original = join(folder, 'original.db');
  await written(original);
  const random = seededRandom(seed);
  const names = Object.keys(damages);
  const violations: string[] = [];
  const count = { saved: 0, refused: 0, messages: 0, survived: 0 };
  for (let variant = 0; variant < variants; variant++) {
    const name = names[variant % names.length] ?? '';
    const path = join(folder, `v${variant}`, 'a.db');
    cpSync(original, path);
    damages[name]?.(path, random);
    const where = `variant ${variant}, ${name}`;
    const got = await survivors(path).catch((error: unknown) => String(error));
    if (typeof got === 'string') violations.push(`${where}: ${got}`);
    else if (got instanceof Error) {
      count.refused++;
      if (!got.message.includes(path) || !/move it away|moved aside/.test(got.message))
        violations.push(`${where}: ${got.message}`);
    } else {
      const known = new Set(got.filter((id) => /^id-\d+$/.test(id))).size;
      count.messages += MESSAGES;
      count.survived += known;
      const isMoved = readdirSync(dirname(path)).some((file) => file.startsWith(`${basename(path)}.damaged-`));
      if (isMoved) count.saved++;
      // Whoever lost something kept the damaged file, and the log told.
      else if (known <= MESSAGES - UNSEEN) violations.push(`${where}: only ${known} messages came out, and nothing was said`);
    }
    rmSync(dirname(path), { recursive: true, force: true });
  }
  return { variants, ...count, violations };
}
