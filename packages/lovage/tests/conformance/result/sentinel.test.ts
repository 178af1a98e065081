// The suite over a Redis that is found through its Sentinel.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import { type SentinelSet, startSentinel } from '../../../../../scripts/servers/index.ts';
import { openRedis, parseRedisUrl } from '../../../src/util/index.ts';
import { describeBackend } from './describe-backend.ts';
import { optionsFor } from './harness.ts';

let set: SentinelSet;
beforeAll(async () => {
  set = await startSentinel();
});
afterAll(() => set[Symbol.asyncDispose]());

const name = `sentinel-${randomUUID()}`;

describeBackend('redis behind Sentinel', {
  options: () => optionsFor(set.url, { appName: name, transportOptions: { masterName: set.masterName } }),
  cut: async () => {
    await using admin = openRedis({ target: parseRedisUrl(set.master.url), connectTimeout: 5, name: 'cutter' });
    const list = `${await admin.call('CLIENT', ['LIST'])}`;
    for (const line of list.split('\n').filter((each) => each.includes(` name=${name}`)))
      await admin.call('CLIENT', ['KILL', 'ID', /^id=(\d+)/.exec(line)?.[1] ?? '']);
  },
});
