// The serializer `auth` between Lovage and Debian's Celery 5.2.6, which knows the old layout only: tasks and commands, both ways.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { requireBinary } from '../../../../scripts/servers/install.ts';
import { Lovage } from '../../src/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { makeCertificate, pemOf, rsaPair } from '../support/certificates.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';
import { type PythonClient, type PythonWorker, startPythonClient, startPythonWorker } from './peer.ts';
import { defineTasks } from './tasks.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-auth-'));
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

beforeAll(() => {
  requireBinary(['/usr/lib/python3/dist-packages/cryptography/__init__.py'], ['python3-cryptography']);
  mkdirSync(join(folder, 'store'));
  for (const [name, serial] of Object.entries({ lovage: 11n, python: 12n, stranger: 13n })) {
    const pair = rsaPair();
    const certificate = makeCertificate({ subject: [['O', 'Interop'] as const, ['CN', name] as const], pair, serial });
    write(`${name}.key`, pemOf(pair));
    write(`${name}.pem`, certificate);
    if (name !== 'stranger') write(`store/${name}.pem`, certificate);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

function createApp(signer: string, brokerUrl: string, prefix: string): Lovage {
  const app = new Lovage('auth', {
    brokerUrl,
    resultBackend: redisUrl(),
    jsonTypes: 'plain',
    taskDefaultQueue: `${prefix}.js`,
    controlExchange: prefix,
    securityOldLayout: true,
    resultExpires: 300,
  });
  app.setupSecurity({
    key: join(folder, `${signer}.key`),
    cert: join(folder, `${signer}.pem`),
    store: join(folder, 'store'),
  });
  defineTasks(app);
  return app;
}

describe.each([
  ['Redis', redisUrl],
  ['RabbitMQ', amqpUrl],
] as const)('signed messages over %s', (broker, url) => {
  const prefix = `auth-${process.pid}-${broker.toLowerCase()}`;
  const queue = `${prefix}.py`;
  const stack = new AsyncDisposableStack();
  let app: Lovage;
  let python: PythonWorker;
  let py: PythonClient;
  beforeAll(async () => {
    app = stack.use(createApp('lovage', url(), prefix));
    stack.use(await startWorker(app, { concurrency: 4, hostname: `${prefix}@js` }));
    const peers = {
      broker: url(),
      backend: redisUrl(),
      prefix,
      variables: { INTEROP_SECURITY: folder, INTEROP_CONTROL: prefix },
    };
    python = stack.use(await startPythonWorker({ ...peers, queues: [queue] }));
    py = stack.use(startPythonClient({ ...peers, queues: [`${prefix}.js`, queue] }));
  }, 60_000);
  afterAll(() => stack.disposeAsync());

  it('a Celery worker runs what Lovage signed', async () => {
    const result = await app.sendTask('py.join', { args: ['ä', 'b'], queue });
    expect(await result.get({ timeout: 20 })).toBe('ä|b|-');
  });

  it('a Lovage worker runs what Celery signed', async () => {
    expect(await py.run(`call('js.join', 'ä', 'b', queue='${prefix}.js')`)).toBe('ä|b|-');
  });

  it('commands are signed, too, and are obeyed on the other side', async () => {
    const answers = await app.control.ping({ destination: [`${prefix}@py`], timeout: 10, limit: 1 });
    expect(JSON.stringify(answers)).toContain(`${prefix}@py`);
    const asked = await py.run(`app.control.ping(destination=['${prefix}@js'], timeout=10, limit=1)`);
    expect(asked).toEqual([{ [`${prefix}@js`]: { ok: 'pong' } }]);
  });

  it('neither runs what a stranger signed, or nobody; both go on', async () => {
    await using stranger = createApp('stranger', url(), prefix);
    await using unsigned = new Lovage('unsigned', {
      brokerUrl: url(),
      resultBackend: redisUrl(),
      taskDefaultQueue: `${prefix}.js`,
    });
    const refused = await stranger.sendTask('js.join', { args: ['a', 'b'] });
    await expect(refused.get({ timeout: 20 })).rejects.toThrow(/"Interop stranger 13" is not known here/);
    const plain = await unsigned.sendTask('js.join', { args: ['a', 'b'] });
    await expect(plain.get({ timeout: 20 })).rejects.toThrow(/untrusted content of type json/);
    // Who waits hears a moment before the letter lies there.
    await vi.waitFor(
      async () => {
        const reasons = (await app.deadLetters().list()).map(({ death }) => death?.reason);
        expect(reasons.toSorted()).toEqual(['refused-content', 'refused-signature']);
      },
      { timeout: 10_000 },
    );
    await stranger.sendTask('py.join', { args: ['a', 'b'], queue });
    const after = await app.sendTask('py.join', { args: ['still', 'here'], queue });
    expect(await after.get({ timeout: 20 })).toBe('still|here|-');
    expect(python.log()).toMatch(/Unknown certificate/);
    expect(await py.run(`call('js.join', 'still', 'here', queue='${prefix}.js')`)).toBe('still|here|-');
  });
});
