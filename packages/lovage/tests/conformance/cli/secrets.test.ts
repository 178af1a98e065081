// Secrets are planted wherever users put them (URLs, settings, headers, arguments, errors); nothing that a program shows has one.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RedisServer, startRedis } from '../../../../../scripts/servers/index.ts';
import { ensureBuilt, project, type Worker } from '../../support/program.ts';

const run = promisify(execFile);
const PLANTED = ['planted-broker', 'planted-result', 'planted-setting', 'planted-header', 'planted-argument', 'planted-error'];
const secretsIn = (text: string): readonly string[] => PLANTED.filter((secret) => text.includes(secret));

const FILES = {
  'tasks.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop', {
  eventQueueTtl: 60,
  taskSendSentEvent: true,
  securityKeyPassword: 'planted-setting',
  signingKeys: { k1: 'planted-setting planted-setting planted-setting' },
  brokerTransportOptions: { sentinelKwargs: { password: 'planted-setting' } },
});
app.task('shop.pay', { bind: true }, (context, options: { password: string }) => {
  context.log.info('paying with {options} and {text}', { options, text: 'password=' + options.password });
  return { token: options.password };
});
app.task('shop.break', () => {
  throw new Error('cannot reach postgres://shop:planted-error@db/shop with password=planted-error');
});
`,
  'send.ts': `import { app } from './tasks.ts';
const seen = [];
const events = app.events();
const heard = (async () => {
  for await (const event of events) {
    seen.push(event);
    if (event.type === 'task-failed') break;
  }
})();
await events.ready();
const headers = { authorization: 'Bearer planted-header' };
await (await app.sendTask('shop.pay', { args: [{ password: 'planted-argument' }], headers })).get({ timeout: 20 });
await (await app.sendTask('shop.break', { headers })).get({ timeout: 20 }).catch(() => undefined);
await (await app.sendTask('shop.nowhere', { headers, kwargs: { password: 'planted-argument' } })).get({ timeout: 20 }).catch(() => undefined);
await heard;
console.log(JSON.stringify(seen));
console.log(app.bugReport());
await app.close();
`,
};

const shop = project(FILES);
let brokerServer: RedisServer;
let resultServer: RedisServer;
let worker: Worker;
let jsonWorker: Worker;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  ensureBuilt();
  [brokerServer, resultServer] = await Promise.all([
    startRedis({ password: 'planted-broker' }),
    startRedis({ password: 'planted-result' }),
  ]);
  env = { LOVAGE_BROKER_URL: brokerServer.url, LOVAGE_RESULT_BACKEND: resultServer.url };
  [worker, jsonWorker] = await Promise.all([
    shop.worker('-n', 'w1@box', '-E', '-l', 'DEBUG', env),
    shop.worker('-n', 'w2@box', '-E', '-l', 'DEBUG', '--log-format', 'json', env),
  ]);
});
afterAll(async () => {
  shop[Symbol.dispose]();
  await Promise.all([brokerServer, resultServer].map((server) => server[Symbol.asyncDispose]()));
});

test('the logs of workers, the events, the answers of workers and the report have none of them', async () => {
  const sent = await run(process.execPath, [join(shop.folder, 'send.ts')], { cwd: shop.folder, env: { ...process.env, ...env } });
  expect(sent.stdout).toContain('settings that are not the default');
  // Sender and workers are programs of their own: their events come in no certain order.
  for (const type of ['task-sent', 'task-received', 'task-succeeded', 'task-failed']) expect(sent.stdout).toContain(`"${type}"`);
  expect(secretsIn(sent.stdout + sent.stderr)).toEqual([]);
  for (const words of [['inspect', 'conf'], ['inspect', 'stats'], ['inspect', 'report'], ['status']]) {
    const { stdout, stderr } = await shop.run([...words, '--json'], { env });
    expect([words, secretsIn(stdout + stderr)]).toEqual([words, []]);
  }
  for (const each of [worker, jsonWorker]) {
    expect(each.log()).toMatch(/shop\.(pay|break)/);
    expect(secretsIn(each.log())).toEqual([]);
  }
});
