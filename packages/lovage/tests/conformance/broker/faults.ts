// Lost lines: the subscription says so once, and a new one goes on with what was held.
import { expect, test, vi } from 'vitest';
import { BrokerConnectionError } from '../../../src/util/index.ts';
import { freshQueue, message, publish, type Reader, read, SOON, text } from './harness.ts';
import type { Suite } from './suite.ts';

/** Subscribes again until the line is back, as a worker does. */
async function reopened(subscribe: () => Promise<Reader>): Promise<Reader> {
  const end = performance.now() + 10_000;
  for (;;) {
    const tried = await outcome(subscribe());
    if (!(tried instanceof Error)) return tried as Reader;
    if (performance.now() > end) throw tried;
  }
}

const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

export function describeFaults({ setup }: Suite): void {
  test('a lost line ends the subscription with one error; the next one gets what was held, and the topology still stands', async ({
    expect,
  }) => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    if (harness.cut === undefined) {
      // No line that could be lost, so nothing that could survive one either.
      expect(broker.features.persistent).toBe(false);
      return;
    }
    await publish(broker, message(queue, 'held'));
    const first: Reader = await read(broker, queue);
    const held = await first.one();
    const ending = outcome(first.ending());
    await harness.cut();
    expect(await ending).toBeInstanceOf(BrokerConnectionError);
    expect(await first.ending()).toBeUndefined();
    expect(await first.ack(held)).toEqual([held]);
    await first[Symbol.asyncDispose]();

    await using again = await reopened(() => read(broker, queue));
    const back = await again.one();
    expect(text(back)).toBe('held');
    expect(back.redelivered).toBe(true);
    await again.ack(back);
    await vi.waitFor(async () => expect(await outcome(publish(broker, message(queue, 'after')))).toBeUndefined(), SOON);
    expect(text(await again.one())).toBe('after');
  });

  test('dispose is idempotent, safe before the first call, and ends a waiting reader', async () => {
    await using harness = await setup();
    const unused = await harness.open();
    await unused[Symbol.asyncDispose]();
    await unused[Symbol.asyncDispose]();
    const broker = await harness.open();
    const queue = await freshQueue(broker);
    const reader = await read(broker, queue);
    const ending = reader.ending();
    await reader[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
    expect(await ending).toBeUndefined();
    await broker[Symbol.asyncDispose]();
    await broker[Symbol.asyncDispose]();
  });
}
