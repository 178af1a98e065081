// On the shared server, under a key prefix of this file's own; cutting the lines of clients by their name touches nobody else.
import { randomUUID } from 'node:crypto';
import { openRedis, parseRedisUrl } from '../../../src/util/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { describeBackend } from './describe-backend.ts';
import { optionsFor } from './harness.ts';

const name = `conformance-${randomUUID()}`;

describeBackend('redis', {
  options: () => optionsFor(redisUrl(), { appName: name, transportOptions: { globalKeyprefix: name } }),
  cut: async () => {
    await using admin = openRedis({ target: parseRedisUrl(redisUrl()), connectTimeout: 5, name: 'cutter' });
    const list = `${await admin.call('CLIENT', ['LIST'])}`;
    const ours = list.split('\n').filter((line) => line.includes(` name=${name}`));
    for (const line of ours) await admin.call('CLIENT', ['KILL', 'ID', /^id=(\d+)/.exec(line)?.[1] ?? '']);
  },
});
