// Dead letters of an app: seen, chosen, and sent again with everything forgotten that told of their death.
import { expect, test } from 'vitest';
import { Lovage, Reject } from '../../../src/index.ts';
import { startWorker } from '../../../src/worker/index.ts';

let apps = 0;

function setup(): Lovage {
  const url = `memory://dead-letters-${apps++}`;
  return new Lovage('dead', { brokerUrl: url, resultBackend: url, taskDefaultQueue: 'work' });
}

test('a queue without any has none to list and none to send', async () => {
  await using app = setup();
  expect(await app.deadLetters().list()).toEqual([]);
  expect(await app.deadLetters('other').resend()).toEqual([]);
});

test('what was sent again runs as if new, and its result replaces the failure', async () => {
  await using app = setup();
  let ill = true;
  app.task('dead.care', { acksOnFailure: false }, (n: number) => {
    if (ill) throw new Error('ill');
    return n;
  });
  const worker = await startWorker(app, { concurrency: 2, hostname: 'w@dead' });
  const [first, second] = [await app.sendTask('dead.care', { args: [1] }), await app.sendTask('dead.care', { args: [2] })];
  await expect(first.get({ timeout: 5 })).rejects.toThrow('ill');
  await expect(second.get({ timeout: 5 })).rejects.toThrow('ill');
  ill = false;
  // The failure is stored first, the letter written right after it.
  await expect.poll(async () => (await app.deadLetters().list()).length).toBe(2);
  const letters = await app.deadLetters().list();
  expect(letters.map(({ id, task, death }) => ({ id, task, reason: death?.reason, queue: death?.origin.queue }))).toEqual(
    expect.arrayContaining([first, second].map(({ id }) => ({ id, task: 'dead.care', reason: 'failed', queue: 'work' }))),
  );
  const sent = await app.deadLetters().resend({ where: ({ id }) => id === second.id });
  expect(sent.map(({ id }) => id)).toEqual([second.id]);
  expect(await app.result(second.id).get({ timeout: 5 })).toBe(2);
  expect((await app.deadLetters().list()).map(({ id }) => id)).toEqual([first.id]);
  await worker.stop();
});

test('a message that dies again is among the dead again', async () => {
  await using app = setup();
  app.task('dead.never', () => {
    throw new Reject('never');
  });
  const worker = await startWorker(app, { concurrency: 1, hostname: 'w@dead' });
  await app.sendTask('dead.never');
  const one = (): Promise<void> => expect.poll(async () => (await app.deadLetters().list()).length).toBe(1);
  await one();
  expect(await app.deadLetters().resend()).toHaveLength(1);
  await one();
  await worker.stop();
});
