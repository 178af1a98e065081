// `node --expose-gc bench/waits.ts [count]`: what one waiting result costs in memory (V8's heap), and how soon all of them
// are there once they are stored, on Redis, the embedded file and in memory. Alone on the machine; prints a table.
import { Lovage } from '../packages/lovage/src/index.ts';
import { type Kind, Places } from './lib/place.ts';

const COUNT = Number(process.argv[2] ?? 10_000);

type Waits = (app: Lovage, ids: readonly string[]) => { readonly all: Promise<unknown>; readonly held: unknown };

const WAYS: Readonly<Record<string, Waits>> = {
  'each by itself': (app, ids) => {
    const waits = ids.map((id) => app.result(id).get());
    return { all: Promise.all(waits), held: waits };
  },
  'each by itself, with a time limit': (app, ids) => {
    const waits = ids.map((id) => app.result(id).get({ timeout: 600 }));
    return { all: Promise.all(waits), held: waits };
  },
  'all as one set': (app, ids) => {
    const set = app.results.set(ids);
    return { all: set.get({ timeout: 600 }), held: set };
  },
};

function used(): number {
  if (globalThis.gc === undefined) throw new Error('Run it as `node --expose-gc bench/waits.ts`.');
  for (let round = 0; round < 3; round++) globalThis.gc();
  return process.memoryUsage().heapUsed;
}

/** Stored in pieces, as workers do. */
async function storeAll(app: Lovage, ids: readonly string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += 500) {
    const some = ids.slice(at, at + 500);
    const records = some.map((id) => app.results.encode({ taskId: id, status: 'SUCCESS', result: 1 }, { attempt: 1 }));
    await app.results.put(records);
  }
}

async function measure(url: string, way: Waits): Promise<{ readonly bytes: number; readonly milliseconds: number }> {
  const settings = { brokerUrl: url, resultBackend: url };
  await using waiting = new Lovage('waits', settings);
  await using storing = new Lovage('waits', settings);
  // The connections and what they load are not counted.
  const first = waiting.results.set(['first']).get();
  await storeAll(storing, ['first']);
  await first;
  const ids = Array.from({ length: COUNT }, (_, index) => `${index}`.padStart(36, '0'));
  const before = used();
  const { all, held } = way(waiting, ids);
  // Reading what is stored follows subscribing: once this answers, all of them are waited for.
  await waiting.results.meta('none');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const bytes = (used() - before) / COUNT;
  const began = performance.now();
  await storeAll(storing, ids);
  await all;
  return { bytes: held === undefined ? 0 : bytes, milliseconds: performance.now() - began };
}

await using places = new Places();
console.log(`| ${COUNT} results waited for | bytes each | stored and there after |\n|---|--:|--:|`);
for (const kind of ['redis', 'sqlite', 'memory'] satisfies (Kind | 'memory')[]) {
  for (const [name, way] of Object.entries(WAYS)) {
    await using place = kind === 'memory' ? undefined : await places.open(kind);
    const { bytes, milliseconds } = await measure(place?.url ?? `memory://${name.length}`, way);
    console.log(`| ${kind}, ${name} | ${Math.round(bytes)} | ${Math.round(milliseconds)} ms |`);
  }
}
