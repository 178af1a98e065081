// Queues that a consumer is told to take from while it runs.
import { expect, it } from 'vitest';
import type { AddedQueue } from '../../../src/consumer/index.ts';
import { BrokerError } from '../../../src/util/index.ts';
import { harness, soon, success } from '../../support/worker-app.ts';

const topologyOf = (names: readonly string[]) => ({
  exchanges: [],
  queues: names.map((name) => ({ name, durable: true, arguments: {} })),
  bindings: [],
});

it('what cannot be declared changes nothing, also where it was among them before', async () => {
  let fails = false;
  await using h = await harness({
    broker: (broker) => ({
      ...broker,
      declare: async (topology) => {
        if (fails) throw new BrokerError('no answer');
        return broker.declare(topology);
      },
    }),
  });
  let names: readonly string[] = [h.queue];
  Object.assign(h.app, {
    queues: () => ({ names, topology: topologyOf(names) }),
    addQueue: ({ name }: AddedQueue) => {
      if (!names.includes(name)) names = [...names, name];
      return { name, topology: topologyOf([name]) };
    },
    cancelQueue: (name: string) => {
      names = names.filter((other) => other !== name);
      return name;
    },
  });
  await h.start();
  fails = true;
  await expect(h.consumer.addQueue({ name: 'other' })).rejects.toThrow('no answer');
  await expect(h.consumer.addQueue({ name: h.queue })).rejects.toThrow('no answer');
  expect(names).toEqual([h.queue]);
});

it('a worker that stops takes from no further queue', async () => {
  const added: string[] = [];
  await using h = await harness({
    broker: (broker) => ({
      ...broker,
      subscribe: async (...given) => {
        const subscription = await broker.subscribe(...given);
        const { add } = subscription;
        return Object.assign(subscription, {
          add: (queue: string) => {
            added.push(queue);
            return add.call(subscription, queue);
          },
        });
      },
    }),
  });
  Object.assign(h.app, { addQueue: ({ name }: AddedQueue) => ({ name, topology: topologyOf([name]) }) });
  const open = Promise.withResolvers<void>();
  h.task('slow', async (job) => {
    await open.promise;
    return success(job);
  });
  await h.start();
  await h.consumer.addQueue({ name: `first-${h.queue}` });
  await h.call('slow');
  await soon(() => expect(h.started).toHaveLength(1));
  const drained = h.consumer.drain(AbortSignal.timeout(5000));
  await h.consumer.addQueue({ name: `second-${h.queue}` });
  open.resolve();
  await drained;
  expect(added).toEqual([`first-${h.queue}`]);
});
