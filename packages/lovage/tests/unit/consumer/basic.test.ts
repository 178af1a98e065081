import { describe, expect, it } from 'vitest';
import { harness, soon, success } from '../../support/worker-app.ts';

describe('a consumer', () => {
  it('runs what comes, stores its result and acks', async () => {
    await using h = await harness();
    h.task('add', (job) => success(job));
    await h.start();
    const id = await h.call('add');
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    await soon(async () => expect(await h.counts()).toEqual({ ready: 0, held: 0, parked: 0, dead: 0 }));
    expect(h.told).toEqual(['taskReceived']);
  });
});
