// The handle and the store over the memory backend: what a user sees, without a server.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { createErrorRegistry, type ResultMeta } from '../../../src/protocol/index.ts';
import {
  AsyncResult,
  allowJoinResult,
  type BackendOptions,
  createResultCodec,
  denyJoinResult,
  eagerResult,
  GroupResult,
  openBackend,
  pendingRecord,
  type ResultBackend,
  ResultStore,
} from '../../../src/result/index.ts';
import { createSerialization } from '../../../src/serialization/index.ts';
import { BackendDisabledError, ConfigurationError, inScope, ResultError } from '../../../src/util/index.ts';

/** Runs it as the body of a task runs. */
const denied = <T>(body: () => T): T => inScope({ join: 'denied' }, body);

const options = (url: string): BackendOptions => ({
  url,
  appName: 'unit',
  connectTimeout: 1,
  transportOptions: {},
  broker: { url, transportOptions: {} },
  oid: 'unit',
  expires: 60,
  persistent: false,
});

const serialization = createSerialization();
const codec = createResultCodec({
  serialization,
  serializer: 'json',
  accept: serialization.accept(['json']),
  expires: 60,
  errors: createErrorRegistry(),
});

function setup(url = 'memory://') {
  const opened: ResultBackend[] = [];
  const open = async (): Promise<ResultBackend> => {
    const backend = await openBackend(options(url));
    opened.push(backend);
    return backend;
  };
  const store = new ResultStore(open, codec);
  onTestFinished(() => store.close());
  const write = (taskId: string, status: string, result: unknown, more: Partial<ResultMeta> = {}): Promise<readonly string[]> =>
    store.put([store.encode({ taskId, status, result, ...more }, { attempt: 1 })]);
  return { store, write, opened };
}

it('opens nothing before the first read or write, and one backend for all', async () => {
  const { store, write, opened } = setup();
  const result = store.result('a');
  expect(opened).toHaveLength(0);
  await Promise.all([write('a', 'SUCCESS', 1), result.state(), result.get(), store.backend()]);
  expect(opened).toHaveLength(1);
});

it('tries to open again after a try that failed', async () => {
  let tries = 0;
  const store = new ResultStore(async () => {
    if (++tries === 1) throw new ConfigurationError('first');
    return openBackend(options('memory://'));
  }, codec);
  await expect(store.meta('a')).rejects.toThrow('first');
  expect(await store.meta('a')).toEqual({ taskId: 'a', status: 'PENDING', result: null });
});

it('joins the writes and the reads of one turn into one call each', async () => {
  const calls: string[] = [];
  const store = new ResultStore(async () => {
    const backend = await openBackend(options('memory://'));
    return {
      ...backend,
      put: (results) => {
        calls.push(`put ${results.length}`);
        return backend.put(results);
      },
      get: (ids) => {
        calls.push(`get ${ids.length}`);
        return backend.get(ids);
      },
    };
  }, codec);
  const ids = ['a', 'b', 'c'];
  await Promise.all(ids.map((id) => store.put([store.encode({ taskId: id, status: 'SUCCESS', result: id }, { attempt: 1 })])));
  const values = await Promise.all([...ids, 'a'].map((id) => store.result(id).result()));
  expect(values).toEqual(['a', 'b', 'c', 'a']);
  expect(calls).toEqual(['put 3', 'get 3']);
});

it('names to each writer only its own refused ids', async () => {
  const { write } = setup();
  await write('a', 'SUCCESS', 1);
  expect(await Promise.all([write('a', 'FAILURE', null), write('b', 'FAILURE', null)])).toEqual([['a'], []]);
});

it('keeps a ready record and reads every other anew', async () => {
  const { store, write } = setup();
  const result = store.result('a');
  await write('a', 'STARTED', null);
  expect(await result.state()).toBe('STARTED');
  await write('a', 'FAILURE', { exc_type: 'E', exc_message: ['m'], exc_module: 'x' });
  expect(await result.state()).toBe('FAILURE');
  await write('a', 'SUCCESS', 2);
  expect(await result.state()).toBe('FAILURE');
  expect(await store.result('a').state()).toBe('SUCCESS');
});

it('is undefined at once for a task whose result is ignored', async () => {
  const { store, opened } = setup();
  expect(await store.result('a', { ignored: true }).get()).toBeUndefined();
  expect(opened).toHaveLength(0);
});

it('shows the error of a retry without throwing it, and none for a retry that has none', async () => {
  const { store, write } = setup();
  await write('a', 'RETRY', { exc_type: 'ValueError', exc_message: ['again'], exc_module: 'builtins' });
  expect(await store.result('a').result()).toMatchObject({ name: 'RangeError', message: 'again', excType: 'ValueError' });
  await write('b', 'RETRY', null);
  expect(await store.result('b').result()).toBeNull();
});

it('fails a wait with the oldest error of its parents that is there', async () => {
  const { store, write } = setup();
  const first = store.result('1');
  const second = store.result('2', { parent: first });
  const third = store.result<number>('3', { parent: second });
  await write('2', 'FAILURE', { exc_type: 'Second', exc_message: ['2'], exc_module: 'x' });
  await write('1', 'SUCCESS', 1);
  await expect(third.get({ timeout: 5 })).rejects.toMatchObject({ name: 'Second' });
  await expect(third.get({ timeout: 0.02, followParents: false })).rejects.toMatchObject({ code: 'LOVAGE_RESULT_TIMEOUT' });
  await expect(third.get({ timeout: 0.02, propagate: false })).rejects.toMatchObject({ code: 'LOVAGE_RESULT_TIMEOUT' });
});

it('gives its value although its parents go on', async () => {
  const { store, write } = setup();
  const child = store.result('2', { parent: store.result('1') });
  await write('2', 'SUCCESS', 'done');
  expect(await child.get({ timeout: 5 })).toBe('done');
});

it('forgets its parents too', async () => {
  const { store, write } = setup();
  await write('1', 'SUCCESS', 1);
  await write('2', 'SUCCESS', 2);
  await store.result('2', { parent: store.result('1') }).forget();
  expect([await store.result('1').state(), await store.result('2').state()]).toEqual(['PENDING', 'PENDING']);
});

it('gives the tasks and groups that it sent as its children, and never itself', async () => {
  const { store, write } = setup();
  const group = { id: 'g', members: [{ id: 'x' }, { id: 'y' }] };
  await write('a', 'SUCCESS', 1, { children: [{ id: 'a' }, { id: 'b' }, group] });
  const [task, sent, ...rest] = await store.result('a').children();
  expect([task?.id, sent?.id, rest]).toEqual(['b', 'g', []]);
  expect([task instanceof AsyncResult, sent instanceof GroupResult]).toEqual([true, true]);
  expect((await sent?.children())?.map(({ id }) => id)).toEqual(['x', 'y']);
});

it('is stored as its tuple when a task returns it', async () => {
  const { store, write } = setup();
  await write('a', 'SUCCESS', store.result('child', { parent: store.result('before') }));
  expect(await store.result('a').get()).toEqual([['child', [['before', null], null]], null]);
});

it('refuses to wait inside a task, unless that is allowed', async () => {
  const { store, write } = setup();
  await write('a', 'SUCCESS', 1);
  const result = store.result('a');
  await expect(denied(() => result.get())).rejects.toMatchObject({ code: 'LOVAGE_JOIN_IN_TASK' });
  await expect(denied(() => result.get())).rejects.toBeInstanceOf(ResultError);
  expect(await denied(() => result.state())).toBe('SUCCESS');
  expect(await denied(() => result.get({ disableSyncSubtasks: false }))).toBe(1);
  expect(await denied(() => allowJoinResult(() => result.get()))).toBe(1);
  await expect(denyJoinResult(() => store.result('a').get())).rejects.toBeInstanceOf(ResultError);
  expect(await denyJoinResult(() => allowJoinResult(() => store.result('a').get()))).toBe(1);
  expect(await denied(() => eagerResult({ ...pendingRecord('e'), state: 'SUCCESS', value: 2 }).get())).toBe(2);
});

it('ends its waits when the store is closed', async () => {
  const { store } = setup();
  const waiting = expect(store.result('a').get()).rejects.toThrow(/closed/);
  await store.backend();
  await store.close();
  await waiting;
  await expect(store.result('a').state()).rejects.toThrow(/closed/);
});

it('needs an id', () => {
  const { store } = setup();
  expect(() => store.result('')).toThrow(ConfigurationError);
});

it('looks the same when it ran in place', async () => {
  const success = eagerResult({ ...pendingRecord('e'), state: 'SUCCESS', value: 2 });
  expect(success).toBeInstanceOf(AsyncResult);
  expect([await success.get(), await success.ready(), await success.exists()]).toEqual([2, true, true]);
  const error = new TypeError('no');
  const failure = eagerResult({ ...pendingRecord('e'), state: 'FAILURE', error });
  await expect(failure.get()).rejects.toBe(error);
  expect(await failure.get({ propagate: false })).toBe(error);
  expect(await eagerResult({ ...pendingRecord('e'), state: 'RETRY', error }).get()).toBeUndefined();
});

it('says what to set when no backend is configured, and stores nothing without a word', async () => {
  const { store, write } = setup('disabled://');
  expect(await write('a', 'SUCCESS', 1)).toEqual([]);
  await expect(store.result('a').get()).rejects.toBeInstanceOf(BackendDisabledError);
  await expect(store.result('a').state()).rejects.toThrow(/No result backend is configured/);
  await expect(store.result('a').forget()).rejects.toBeInstanceOf(BackendDisabledError);
});

it.each([
  ['reddis://host', /Did you mean 'rediss?'.*Known schemes: memory, sqlite, redis/s],
  ['', /No result backend is known/],
  ['constructor://x', /Known schemes/],
  ['postgresql://h/x', /have db\+ in front.*: db\+postgresql:/],
  ['mongodb://u:secret@host/x', /^(?!.*secret)/],
])('refuses the URL %j by naming what it knows', async (url, message) => {
  await expect(openBackend(options(url))).rejects.toBeInstanceOf(ConfigurationError);
  await expect(openBackend(options(url))).rejects.toThrow(message);
});

it('keeps a program alive while it waits, and no longer', async () => {
  const program = `
    import { AsyncResult } from '${new URL('../../../src/result/index.ts', import.meta.url)}';
    import { createWaiter } from '${new URL('../../../src/result/waiter.ts', import.meta.url)}';
    let land;
    const waiter = createWaiter({ watch: async function* (ids) { yield await new Promise((resolve) => (land = () => resolve({ id: ids[0] }))); } });
    const waiting = waiter.wait('a');
    setTimeout(() => land(), 50).unref();
    console.log((await waiting).id);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
  expect(stdout).toBe('a\n');
});

it('is resolved by whenReady as the handle itself, whatever the task left', async () => {
  const { store, write } = setup();
  const result = store.result('a');
  const ready = result.whenReady({ timeout: 10 });
  await write('a', 'FAILURE', new TypeError('no'));
  expect(await ready).toBe(result);
  await expect(result.throw()).rejects.toThrow('no');
});

it('maybeThrow throws what failed, gives what is known otherwise, and never waits', async () => {
  const { store, write } = setup();
  const heard: unknown[] = [];
  const callback = (id: string, value: unknown): void => void heard.push([id, value]);
  const [pending, moving, done, failed] = ['p', 'm', 'd', 'f'].map((id) => store.result(id));
  await write('m', 'PROGRESS', { at: 1 });
  await write('d', 'SUCCESS', 3);
  await write('f', 'FAILURE', new TypeError('no'));
  expect(await pending?.maybeThrow({ callback })).toBeUndefined();
  expect(await moving?.maybeThrow({ callback })).toEqual({ at: 1 });
  expect(await done?.maybeThrow({ callback })).toBe(3);
  await expect(failed?.maybeThrow({ callback })).rejects.toThrow('no');
  expect(await failed?.maybeThrow({ callback, propagate: false })).toMatchObject({ message: 'no' });
  await pending?.throw();
  expect(heard).toEqual([['d', 3]]);
});

it('calls back with its value once it is there, and not for a failure', async () => {
  const { store, write } = setup();
  const heard: string[] = [];
  await write('a', 'SUCCESS', 1);
  await write('b', 'FAILURE', new TypeError('no'));
  await store.result<number>('a').get({ callback: (id, value) => heard.push(`${id}=${value.toFixed(1)}`) });
  await store.result('b').get({ propagate: false, callback: (id) => heard.push(id) });
  expect(heard).toEqual(['a=1.0']);
});

it('calls onInterval until the wait is over, and ends with what that throws', async () => {
  const { store, write } = setup();
  let calls = 0;
  const onInterval = (): void => {
    if (++calls === 2) void write('a', 'SUCCESS', 'there');
  };
  expect(await store.result('a').get({ onInterval, interval: 0.01, timeout: 10 })).toBe('there');
  const never = store.result('never').get({
    interval: 0.01,
    onInterval: () => {
      throw new ConfigurationError('enough');
    },
  });
  await expect(never).rejects.toThrow('enough');
});

it('limits what it asks of a store that does not answer', async () => {
  const store = new ResultStore(
    async () => ({ ...(await openBackend(options('memory://'))), get: () => new Promise(() => undefined) }),
    codec,
  );
  onTestFinished(() => store.close());
  const result = store.result('a');
  await expect(result.state({ timeout: 0.01 })).rejects.toMatchObject({ code: 'LOVAGE_RESULT_TIMEOUT' });
  await expect(result.ready({ signal: AbortSignal.abort(new ConfigurationError('enough')) })).rejects.toThrow('enough');
  await expect(store.set(['a', 'b']).ready({ timeout: 0.01 })).rejects.toMatchObject({ code: 'LOVAGE_RESULT_TIMEOUT' });
});

it('cannot revoke without a way to the broker, and says so', async () => {
  const { store } = setup();
  await expect(store.result('a').revoke()).rejects.toBeInstanceOf(ConfigurationError);
});
