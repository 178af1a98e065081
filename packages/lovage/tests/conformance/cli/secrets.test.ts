// Secrets are planted wherever users put them (URLs, settings, headers, arguments, errors); nothing that a program shows has one.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type RedisServer, startRedis } from '../../../../../scripts/servers/index.ts';
import { ensureBuilt, project, type Worker } from '../../support/program.ts';

const run = promisify(execFile);
const PLANTED = [
  ...['planted-broker', 'planted-result', 'planted-setting', 'planted-header', 'planted-argument', 'planted-error'],
  ...['planted-event', 'planted-login'],
];
const secretsIn = (text: string): readonly string[] => PLANTED.filter((secret) => text.includes(secret));

const FILES = {
  // LogTape as the user's own program would have it.
  'sink.ts': `import { createRequire } from 'node:module';
import { inspect } from 'node:util';
const { configure } = createRequire(process.env.PACKAGE)('@logtape/logtape');
await configure({
  sinks: { own: (record) => process.stderr.write(inspect(record, { depth: 10 }) + '\\n' + record.message.join('') + '\\n') },
  loggers: [{ category: ['lovage'], lowestLevel: 'debug', sinks: ['own'] }],
});
`,
  'tasks.ts': `import { Lovage } from 'lovage';
if (process.env.PACKAGE) await import('./sink.ts');
export const app = new Lovage('shop', {
  eventQueueTtl: 60,
  taskSendSentEvent: true,
  securityKeyPassword: 'planted-setting',
  signingKeys: { k1: 'planted-setting planted-setting planted-setting' },
  brokerTransportOptions: { sentinelKwargs: { password: 'planted-setting' } },
});
app.task('shop.pay', { bind: true }, (context, options: { password: string }) => {
  context.log.info('paying with {options} and {text}', { options, text: 'password=' + options.password });
  context.log.error('paid: ' + 'password=' + options.password, { error: new Error('token=' + options.password) });
  context.sendEvent('task-paid', { password: 'planted-event', at: { url: 'redis://:planted-event@h' }, tokens: 12 });
  return { token: options.password };
});
const held = Promise.withResolvers<void>();
app.task('shop.hold', (options: { password: string }, url: string) => held.promise);
app.task('shop.release', () => held.resolve());
app.task('shop.break', () => {
  throw new Error('cannot reach postgres://shop:planted-error@db/shop with password=planted-error');
});
`,
  'send.ts': `import { app } from './tasks.ts';
const seen = [];
let failed = 0;
const events = app.events();
const heard = (async () => {
  for await (const event of events) {
    seen.push(event);
    if (event.type === 'task-failed' && ++failed === 2) break;
  }
})();
await events.ready();
const headers = { authorization: 'Bearer planted-header' };
await (await app.sendTask('shop.pay', { args: [{ password: 'planted-argument' }], headers })).get({ timeout: 20 });
await (await app.sendTask('shop.pay', { args: [{ password: 'planted-argument' }], headers, queue: 'own' })).get({ timeout: 20 });
await (await app.sendTask('shop.break', { headers, queue: 'own' })).get({ timeout: 20 }).catch(() => undefined);
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
let ownWorker: Worker;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  ensureBuilt();
  [brokerServer, resultServer] = await Promise.all([
    startRedis({ password: 'planted-broker' }),
    startRedis({ password: 'planted-result' }),
  ]);
  env = { LOVAGE_BROKER_URL: brokerServer.url, LOVAGE_RESULT_BACKEND: resultServer.url };
  [worker, jsonWorker, ownWorker] = await Promise.all([
    shop.worker('-n', 'w1@box', '-E', '-l', 'DEBUG', env),
    shop.worker('-n', 'w2@box', '-E', '-l', 'DEBUG', '--log-format', 'json', env),
    shop.worker('-n', 'w3@box', '-E', '-l', 'DEBUG', '-Q', 'own', env, {
      LOVAGE_WORKER_HIJACK_ROOT_LOGGER: 'false',
      PACKAGE: join(import.meta.dirname, '../../../package.json'),
    }),
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
  for (const type of ['task-sent', 'task-received', 'task-paid', 'task-succeeded', 'task-failed'])
    expect(sent.stdout).toContain(`"${type}"`);
  expect(secretsIn(sent.stdout + sent.stderr)).toEqual([]);
  for (const words of [['inspect', 'conf'], ['inspect', 'stats'], ['inspect', 'report'], ['status']]) {
    const { stdout, stderr } = await shop.run([...words, '--json'], { env });
    expect([words, secretsIn(stdout + stderr)]).toEqual([words, []]);
  }
  expect(sent.stdout).toMatch(/"tokens":\s*12/);
  expect(ownWorker.log()).toContain('paid: password=********');
  for (const each of [worker, jsonWorker, ownWorker]) {
    expect(each.log()).toMatch(/shop\.(pay|break)/);
    expect(secretsIn(each.log())).toEqual([]);
  }
});

test('arguments of tasks that run or wait are shown without them, whoever asks', async () => {
  const args = JSON.stringify([{ password: 'planted-argument' }, 'redis://:planted-argument@h/1']);
  const call = async (...words: readonly string[]): Promise<void> => {
    const { code, stderr } = await shop.run(['-A', 'tasks.ts', 'call', ...words], { env });
    expect([code, stderr]).toEqual([0, '']);
  };
  await call('shop.hold', args, '--queue', 'own');
  await call('shop.hold', args, '--queue', 'elsewhere');
  const shown = async (...words: readonly string[]): Promise<string> => {
    const texts = await Promise.all([[], ['--json']].map((more) => shop.run(['-A', 'tasks.ts', ...words, ...more], { env })));
    const text = texts.map(({ stdout, stderr }) => stdout + stderr).join('');
    expect([words, secretsIn(text)]).toEqual([words, []]);
    return text;
  };
  await vi.waitFor(async () => expect(await shown('inspect', 'active')).toContain('shop.hold'), {
    timeout: 20_000,
    interval: 50,
  });
  expect(await shown('queues', 'peek', 'elsewhere')).toContain('shop.hold');
  const { stdout } = await shop.run(['-A', 'tasks.ts', 'dlq', 'list', '--task', 'shop.nowhere', '--json'], { env });
  const [{ id }] = JSON.parse(stdout) as [{ id: string }];
  expect(await shown('dlq', 'show', id)).toContain('shop.nowhere');
  await call('shop.release', '--queue', 'own');
});

test('errors name a server without its password', async () => {
  const login = 'me:planted-login@127.0.0.1:1';
  const ask = (words: readonly string[], more: Readonly<Record<string, string>>) =>
    shop.run(['-A', 'tasks.ts', ...words], { env: { ...env, ...more, NODE_DEBUG: 'lovage' } });
  const wrong = { LOVAGE_BROKER_CONNECTION_TIMEOUT: '1' };
  const runs = await Promise.all([
    ask(['status'], { LOVAGE_BROKER_URL: brokerServer.url.replace('planted-broker', 'planted-login') }),
    ask(['status'], { ...wrong, LOVAGE_BROKER_URL: `amqp://${login}/shop` }),
    ask(['status'], { ...wrong, LOVAGE_BROKER_URL: `redis://${login}/0` }),
    ask(['status'], { LOVAGE_BROKER_URL: `amqp://me:planted-login%zz@127.0.0.1/shop` }),
    ask(['status'], { LOVAGE_BROKER_URL: `nowhere://${login}/shop` }),
    ask(['result', 'an-id'], { LOVAGE_RESULT_BACKEND: resultServer.url.replace('planted-result', 'planted-login') }),
    ask(['result', 'an-id'], { LOVAGE_RESULT_BACKEND: `db+postgresql://${login}/shop`, LOVAGE_RESULT_BACKEND_MAX_RETRIES: '0' }),
    ask(['result', 'an-id'], { LOVAGE_RESULT_BACKEND: `db+mysql://${login}/shop`, LOVAGE_RESULT_BACKEND_MAX_RETRIES: '0' }),
    ask(['result', 'an-id'], { LOVAGE_RESULT_BACKEND: `etcd://${login}`, LOVAGE_RESULT_BACKEND_MAX_RETRIES: '0' }),
    ask(['multi', 'show', '1', '-b', `redis://${login}/0`], {}),
  ]);
  for (const { code, stdout, stderr } of runs.slice(0, -1)) {
    expect(secretsIn(stdout + stderr)).toEqual([]);
    expect([code, stderr]).not.toEqual([0, stderr]);
  }
  expect(runs.at(-1)?.stdout).toContain('redis://me:**@127.0.0.1:1/0');
});
