// One result store, two languages: what Lovage stores Debian's Celery reads, and the reverse, on stores that need no worker to be compared.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MemcachedServer, startMemcached } from '../../../../scripts/servers/index.ts';
import { Lovage } from '../../src/index.ts';
import { type PythonResults, startPythonResults } from './python-results.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-interop-files-'));
let memcached: MemcachedServer[];
beforeAll(async () => {
  memcached = await Promise.all([startMemcached(), startMemcached()]);
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  for (const server of memcached) await server[Symbol.asyncDispose]();
});

const MEMCACHE = { 'memcache.py': 'python3-memcache' };
const SQLALCHEMY = { 'sqlalchemy/__init__.py': 'python3-sqlalchemy' };

interface Store {
  readonly url: () => string;
  readonly modules: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, unknown>>;
  /** Python does not look at what is there before it writes. */
  readonly overwrites?: boolean;
  /** Python makes the tables. */
  readonly pythonFirst?: boolean;
}

const stores: Readonly<Record<string, Store>> = {
  filesystem: { url: () => `file://${folder}`, modules: {} },
  'SQLite, tables made by Lovage': {
    url: () => `db+sqlite:///${join(folder, 'lovage.db')}`,
    modules: SQLALCHEMY,
    options: { tables: 'celery' },
    overwrites: true,
  },
  'SQLite, tables made by Python': {
    url: () => `db+sqlite:///${join(folder, 'python.db')}`,
    modules: SQLALCHEMY,
    options: { tables: 'celery', createTables: false },
    overwrites: true,
    pythonFirst: true,
  },
  memcached: { url: () => `cache+memcached://127.0.0.1:${memcached[0]?.port}/`, modules: MEMCACHE },
  'two memcacheds': {
    url: () => `cache+memcached://${memcached.map(({ port }) => `127.0.0.1:${port}`).join(';')}/`,
    modules: MEMCACHE,
  },
};

describe.each(Object.entries(stores))('%s', (_, { url, modules, options = {}, overwrites = false, pythonFirst = false }) => {
  let app: Lovage;
  let py: PythonResults;
  beforeAll(async () => {
    app = new Lovage('interop', {
      brokerUrl: 'memory://',
      resultBackend: url(),
      resultBackendTransportOptions: options,
      resultExtended: true,
      jsonTypes: 'plain',
    });
    py = startPythonResults(url(), { result_extended: true }, modules);
    if (pythonFirst) await py.call('store', 'first', 'SUCCESS', 1);
    else await (await app.openBackend()).check(AbortSignal.timeout(10_000));
  });
  afterAll(async () => {
    await app.close();
    await py[Symbol.asyncDispose]();
  });

  /** Stores as a worker of Lovage would. */
  async function store(status: string, result: unknown): Promise<string> {
    const { results, store: put } = app.environment();
    const taskId = randomUUID();
    const meta = {
      taskId,
      status,
      result,
      name: 'js.add',
      args: [1, 'ü'],
      kwargs: {},
      worker: 'w@js',
      retries: 0,
      queue: 'celery',
    };
    const extra = {
      children: [],
      dateDone: new Date().toISOString(),
      traceback: status === 'FAILURE' ? 'Error: of Node' : undefined,
    };
    await put([results.encode({ ...meta, ...extra }, { attempt: 1 })]);
    return taskId;
  }

  it('Python reads a value that Lovage stored', async () => {
    const id = await store('SUCCESS', { deep: [1, 'ü', null, true, 2.5] });
    expect(await py.read(id)).toMatchObject({ state: 'SUCCESS', result: { deep: [1, 'ü', null, true, 2.5] }, name: 'js.add' });
    expect(await py.call('get', id)).toEqual({ deep: [1, 'ü', null, true, 2.5] });
  });

  it('Python reads a failure of Lovage as an exception', async () => {
    const id = await store('FAILURE', new TypeError('no such thing'));
    expect(await py.read(id)).toMatchObject({
      state: 'FAILURE',
      result: ['builtins', 'TypeError', ['no such thing']],
      traceback: 'Error: of Node',
    });
  });

  it('Lovage waits for a value that Python stores', async () => {
    const id = randomUUID();
    const wait = app.environment().results.result(id).get({ timeout: 20 });
    await py.call('store', id, 'STARTED', { pid: 1 });
    await py.call('store', id, 'SUCCESS', { deep: [1, 'ü', null] });
    expect(await wait).toEqual({ deep: [1, 'ü', null] });
  });

  it('Lovage throws a failure that Python stored', async () => {
    const id = randomUUID();
    await py.call('store', id, 'FAILURE', ['bad', 42]);
    const wait = app.environment().results.result(id).get({ timeout: 20 });
    await expect(wait).rejects.toMatchObject({ excType: 'ValueError', excModule: 'builtins', excMessage: ['bad', 42] });
  });

  it('Lovage reads what Python says of a task: arguments, worker, retries, traceback, time', async () => {
    const id = randomUUID();
    await py.call('store', id, 'FAILURE', ['bad']);
    const record = await app.environment().results.result(id).record();
    expect(record).toMatchObject({
      name: 'py.add',
      args: [1, 2],
      kwargs: { debug: true },
      worker: 'w1@py',
      retries: 3,
      queue: 'celery',
    });
    expect(record.traceback).toBe('Traceback of Python');
    expect(Math.abs((record.dateDone?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
    const ours = await store('SUCCESS', 1);
    const seen = await py.read(ours);
    expect(seen).toMatchObject({ name: 'js.add', args: [1, 'ü'], kwargs: {}, worker: 'w@js', retries: 0, queue: 'celery' });
    expect(Math.abs(Date.parse(`${seen.done?.replace(' ', 'T').replace('+00:00', '')}Z`) - Date.now())).toBeLessThan(60_000);
  });

  it('neither replaces a SUCCESS of the other where both look first, and each forgets for both', async () => {
    const id = await store('SUCCESS', 'first');
    await py.call('store', id, 'FAILURE', ['late']);
    expect(await py.read(id)).toMatchObject(overwrites ? { state: 'FAILURE' } : { state: 'SUCCESS', result: 'first' });
    await py.call('forget', id);
    expect(await app.environment().results.result(id).state()).toBe('PENDING');
  });
});
