// A running task's call as a signature: the same place, links and options, unless they are replaced.
import { expect, test } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';
import type { CurrentRequest } from '../../../src/task/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';

test('a signature made of a request makes the same call once more', async () => {
  const url = `memory://${uuid()}`;
  await using app = new Lovage('again', { brokerUrl: url, resultBackend: url }, { environment: {} });
  const seen: CurrentRequest[] = [];
  const next = app.task('next', { params: ['value'] }, (value: unknown) => value);
  const task = app.task('task', { bind: true, params: ['word'] }, async (ctx, word: string) => {
    seen.push(ctx.request);
    if (word !== 'first') return word;
    await app.signatureFromRequest(ctx.request, { args: ['second'], taskId: 'second', shadow: 'other' }).delay();
    return 'done';
  });
  await using _worker = await startWorker(app, { queues: ['here'] });
  const options = { queue: 'here', priority: 3, headers: { mine: 'h' }, groupId: 'g', timeLimit: 30, link: next.si(1) };
  const first = await task.applyAsync(['first'], { ...options, taskId: 'first', retries: 1 });
  expect(await first.get({ timeout: 5 })).toBe('done');
  await soon(() => expect(seen).toHaveLength(2));
  const [one, two] = seen;
  const same = ({ headers, group, timeLimit, callbacks, retries, deliveryInfo, rootId }: CurrentRequest) => ({
    ...{ headers, group, timeLimit, callbacks, retries, deliveryInfo, rootId },
  });
  expect(same(two!)).toEqual(same(one!));
  expect(two).toMatchObject({ id: 'second', args: ['second'], shadow: 'other', retries: 1, headers: { mine: 'h' } });
});

test('it may go elsewhere, and takes no option that is none', async () => {
  const url = `memory://${uuid()}`;
  await using app = new Lovage('again', { brokerUrl: url, resultBackend: url }, { environment: {} });
  const task = app.task('task', { bind: true }, (ctx) => ctx.request);
  const request = (await (await task.apply([], { taskId: 'id' })).get()) as CurrentRequest;
  const signature = app.signatureFromRequest(request, { queue: 'slow', countdown: 5 });
  expect(signature.toWire()).toMatchObject({ task: 'task', options: { task_id: 'id', queue: 'slow', countdown: 5, retries: 0 } });
  expect(() => app.signatureFromRequest(request, { quue: 'slow' } as object)).toThrow("Did you mean 'queue'?");
});
