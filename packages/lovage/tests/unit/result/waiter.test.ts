// One watch for all who begin to wait in one turn, one entry for all who wait for one id.
import { expect, it } from 'vitest';
import type { StoredResult } from '../../../src/result/index.ts';
import { createWaiter } from '../../../src/result/waiter.ts';
import { createWatchers } from '../../../src/result/watchers.ts';

const stored = (id: string, state = 'SUCCESS'): StoredResult => ({
  id,
  state,
  body: new Uint8Array(),
  contentType: '',
  contentEncoding: '',
  attempt: 1,
});

function setup() {
  const begun: (readonly string[])[] = [];
  const ended: string[] = [];
  const watchers = createWatchers({
    begin: async (ids) => void begun.push(ids),
    end: (ids) => void ended.push(...ids),
  });
  return { waiter: createWaiter({ watch: watchers.watch }), watchers, begun, ended };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('watches the ids of one turn together, each once', async () => {
  const { waiter, watchers, begun } = setup();
  const all = Promise.all(['a', 'b', 'a', 'a'].map((id) => waiter.wait(id)));
  await turn();
  expect(begun).toEqual([['a', 'b']]);
  watchers.deliver(stored('a'));
  watchers.deliver(stored('b'));
  expect((await all).map((result) => result.id)).toEqual(['a', 'b', 'a', 'a']);
});

it('joins a later wait for an id that is watched already', async () => {
  const { waiter, watchers, begun } = setup();
  const first = waiter.wait('a');
  await turn();
  const second = waiter.wait('a');
  await turn();
  expect(begun).toHaveLength(1);
  watchers.deliver(stored('a', 'STARTED'));
  watchers.deliver(stored('a', 'FAILURE'));
  expect([(await first).state, (await second).state]).toEqual(['FAILURE', 'FAILURE']);
});

it('stops watching when the last who waited has given up, and only then', async () => {
  const { waiter, watchers, ended } = setup();
  const [one, two] = [new AbortController(), new AbortController()];
  const first = expect(waiter.wait('a', one.signal)).rejects.toThrow('first');
  const second = expect(waiter.wait('a', two.signal)).rejects.toThrow('second');
  await turn();
  one.abort(new Error('first'));
  await first;
  await turn();
  expect(watchers.has('a')).toBe(true);
  two.abort(new Error('second'));
  await second;
  await turn();
  expect([watchers.has('a'), ended]).toEqual([false, ['a']]);
});

it('holds nothing for a wait that was given up in the same turn', async () => {
  const { waiter, watchers } = setup();
  const stop = new AbortController();
  const waiting = expect(waiter.wait('a', stop.signal)).rejects.toThrow('enough');
  stop.abort(new Error('enough'));
  await waiting;
  await turn();
  expect(watchers.ids()).toEqual([]);
});

it('refuses a signal that is aborted already', async () => {
  const { waiter } = setup();
  await expect(waiter.wait('a', AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
});

it('gives a failure of the watch to all of it, and watches anew for the next', async () => {
  const { waiter, watchers, begun } = setup();
  const all = Promise.allSettled(['a', 'b'].map((id) => waiter.wait(id)));
  await turn();
  watchers.fail(new Error('line lost for good'));
  expect((await all).map((outcome) => outcome.status)).toEqual(['rejected', 'rejected']);
  const again = waiter.wait('a');
  await turn();
  watchers.deliver(stored('a'));
  expect((await again).id).toBe('a');
  expect(begun).toEqual([['a', 'b'], ['a']]);
});

it('fails the waits whose watch could not begin', async () => {
  const watchers = createWatchers({ begin: () => Promise.reject(new Error('no login')), end: () => undefined });
  await expect(createWaiter({ watch: watchers.watch }).wait('a')).rejects.toThrow('no login');
  expect(watchers.ids()).toEqual([]);
});

it('holds nothing for results that have come', async () => {
  const { waiter, watchers, ended } = setup();
  const waiting = Promise.all(['a', 'b'].map((id) => waiter.wait(id)));
  await turn();
  watchers.deliver(stored('b'));
  watchers.deliver(stored('unknown'));
  watchers.deliver(stored('a'));
  await waiting;
  expect([watchers.ids(), ended]).toEqual([[], ['b', 'a']]);
});
