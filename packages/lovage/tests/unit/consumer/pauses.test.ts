// A worker whose user of the broker may not ask for pauses.
import { expect, it } from 'vitest';
import { BrokerConnectionError, BrokerError, PublishError } from '../../../src/util/index.ts';
import { harness, soon, success } from '../../support/worker-app.ts';

it('takes tasks although it may not ask which queues are paused', async () => {
  const refused = async (): Promise<never> => {
    throw new BrokerError('ACCESS_REFUSED');
  };
  await using h = await harness({ broker: (broker) => ({ ...broker, paused: refused }) });
  h.task('t', (job) => success(job));
  await h.start();
  const id = await h.call('t');
  await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
  await h.consumer.lookForPauses();
  expect(h.consumer.paused).toEqual([]);
});

it('connects again when the line is lost while it asks', async () => {
  let lost = 1;
  await using h = await harness({
    broker: (broker) => ({
      ...broker,
      paused: async (queues) => {
        if (lost-- > 0) throw new BrokerConnectionError('cut');
        return broker.paused(queues);
      },
    }),
  });
  h.task('t', (job) => success(job));
  await h.start();
  const id = await h.call('t');
  await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
});

it('keeps to what is paused while the broker cannot say', async () => {
  let answer = async (queues: readonly string[]): Promise<readonly string[]> => queues;
  await using h = await harness({ broker: (broker) => ({ ...broker, paused: (queues) => answer(queues) }) });
  h.task('t', (job) => success(job));
  await h.start();
  const { paused } = h.consumer;
  expect(paused).toHaveLength(1);
  answer = async () => {
    throw new PublishError('RabbitMQ takes no messages: low on memory', [], { transient: true });
  };
  await h.consumer.lookForPauses();
  expect(h.consumer.paused).toEqual(paused);
  answer = async () => [];
  const id = await h.call('t');
  await h.consumer.lookForPauses();
  await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
});
