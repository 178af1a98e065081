// Whoever can write into the result store forges results: what is not signed, was signed by nobody known, was changed, or is the result of
// another task is refused where results are signed, and its reader is told why.
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { openBackend } from '../../../src/result/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { testFolder } from '../../support/folder.ts';
import { redisUrl } from '../../support/servers.ts';
import { optionsFor } from './harness.ts';

const keys = join(import.meta.dirname, '../../support/keys');
const signed: SettingsInput = {
  taskSerializer: 'auth',
  acceptContent: ['auth'],
  resultSerializer: 'auth',
  resultAcceptContent: ['auth'],
  securityKey: join(keys, 'test-key.pem'),
  securityCertificate: join(keys, 'test-cert.pem'),
  securityCertStore: join(keys, '*-cert.pem'),
};

const stores: Readonly<Record<string, () => string>> = {
  redis: () => redisUrl(),
  sqlite: () => `sqlite://${testFolder('forged')}/${uuid()}.db`,
  filesystem: () => `file://${testFolder('forged')}`,
};

it.each(Object.entries(stores))('in %s', async (_, url) => {
  const resultBackend = url();
  const app = new Lovage(`signed-${uuid()}`, { brokerUrl: `memory://${uuid()}`, resultBackend, ...signed }, { environment: {} });
  await using _app = { [Symbol.asyncDispose]: () => app.close() };
  const give = app.task('give', (value: string) => value);
  await using _worker = await startWorker(app);
  const good = await give.delay('good');
  expect(await good.get({ timeout: 10 })).toBe('good');

  await using store = await openBackend(optionsFor(resultBackend, { appName: app.name }));
  const [record] = [...(await store.get([good.id])).values()];
  if (record === undefined) throw new Error('Nothing was stored.');
  const put = async (body: Buffer): Promise<string> => {
    const id = uuid();
    await store.put([{ ...record, id, body }]);
    return id;
  };
  const meta = (id: string): Buffer =>
    Buffer.from(JSON.stringify({ status: 'SUCCESS', result: 'forged', traceback: null, children: [], task_id: id }));
  const cases: readonly (readonly [string, RegExp])[] = [
    [await put(meta(uuid())), /not a signed one/],
    [await put(Buffer.from(record.body)), /was signed as that of/],
    [
      await put(
        Buffer.from(Buffer.from(`${Buffer.from(`${record.body}`, 'base64')}`.replace('good', 'evil')).toString('base64')),
      ),
      /./,
    ],
  ];
  for (const [id, words] of cases) await expect(app.result(id).get({ timeout: 5 })).rejects.toThrow(words);
  expect(await good.get({ timeout: 10 })).toBe('good');
});
