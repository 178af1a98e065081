// A broker that is down: the call says so, and nothing else does.
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { Lovage } from '../../../src/app/lovage.ts';
import { PublishError } from '../../../src/util/index.ts';

const script = `
const { Lovage } = await import(process.argv[1]);
const app = new Lovage('t', { brokerUrl: 'amqp://127.0.0.1:1', resultBackend: 'rpc://', taskPublishRetry: false }, { environment: {} });
for (const count of [1, 2]) {
  const sends = Array.from({ length: count }, () => app.sendTask('far'));
  for (const { status } of await Promise.allSettled(sends)) console.log(status);
}
await app.close();
console.log('closed');
`;

test('a call whose replies cannot be opened rejects, and does not end the process', () => {
  const door = new URL('../../../src/index.ts', import.meta.url).href;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script, door], {
    encoding: 'utf8',
  });
  expect({ stdout, stderr, status }).toEqual({ stdout: 'rejected\nrejected\nrejected\nclosed\n', stderr: '', status: 0 });
}, 20_000);

test('the error says that nothing was stored', async () => {
  await using app = new Lovage('t', { brokerUrl: 'amqp://127.0.0.1:1', resultBackend: 'rpc://' }, { environment: {} });
  const error: unknown = await app.sendTask('far').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(PublishError);
  expect(error).toMatchObject({
    transient: true,
    failures: [{ stored: 'no' }],
    message: expect.stringContaining('again is safe') as unknown,
  });
});
