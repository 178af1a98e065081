// Queues that a consumer is told to take from while it runs.
import { expect, it } from 'vitest';
import type { AddedQueue } from '../../../src/consumer/index.ts';
import { BrokerError } from '../../../src/util/index.ts';
import { harness } from '../../support/worker-app.ts';

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
