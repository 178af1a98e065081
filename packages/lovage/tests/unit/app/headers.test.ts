import { expect, test } from 'vitest';
import { setup, waiting } from './support.ts';

test('headers without a form are refused at the call, and calls of the same turn go out', async () => {
  await using app = setup();
  const sends = [
    { headers: { h: () => 1 } },
    { headers: { h: 2n ** 70n, nan: Number.NaN } },
    { properties: { x: new Map() } },
    {},
  ];
  const outcomes = await Promise.allSettled(sends.map((options) => app.sendTask('far', options as object)));
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
  expect(outcomes[0]).toMatchObject({ reason: { message: expect.stringContaining('value.headers.h') as unknown } });
  expect(await waiting(app)).toHaveLength(2);
});

test('a queue without a name is refused', async () => {
  await using app = setup();
  await expect(app.sendTask('far', { queue: '' })).rejects.toThrow('queue must be the name of a queue');
});
