// `lovage doctor` on real servers.
import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuilt, project } from '../../support/program.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';

interface Answer {
  readonly ok: boolean;
  readonly findings: readonly { readonly area: string; readonly level: string; readonly text: string; readonly cure?: string }[];
}

const shop = project({
  // Not the app that is found without a name: tests run beside each other.
  'signed.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop', { signingKey: 'a', signingKeys: { a: { file: 'secret.key' } } });
`,
  'secret.key': 'k'.repeat(40),
});
beforeAll(ensureBuilt);
afterAll(() => shop[Symbol.dispose]());

test('an embedded broker is well until others may read its file', async () => {
  const file = join(shop.folder, 'doctor.db');
  const words = ['-b', `sqlite://${file}`, 'doctor'];
  const well = await shop.run(words);
  expect(well).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Nothing needs to be changed.') as unknown });
  expect(existsSync(file)).toBe(true);
  chmodSync(file, 0o644);
  const open = await shop.run([...words, '--json']);
  expect(open.code).toBe(1);
  const { ok, findings } = JSON.parse(open.stdout) as Answer;
  expect(ok).toBe(false);
  // SQLite gives the files beside it the same rights.
  expect(findings).toContainEqual({
    area: 'embedded',
    level: 'warn',
    text: `others may read ${file} (mode 644): messages and results`,
    cure: `chmod 600 ${file}`,
  });
  expect(findings.filter(({ level }) => level === 'warn' || level === 'fail').every(({ area }) => area === 'embedded')).toBe(
    true,
  );
});

test('a Redis and a RabbitMQ are looked at from inside', async () => {
  const redis = JSON.parse((await shop.run(['-b', redisUrl(), 'doctor', '--json'])).stdout) as Answer;
  const about = redis.findings.filter(({ area }) => area === 'redis').map(({ text }) => text);
  expect(about.join('\n')).toMatch(
    /^version \d[\s\S]*maxmemory-policy noeviction[\s\S]*appendonly[\s\S]*clocks agree within \d+ ms/,
  );
  const rabbit = await shop.run(['-b', amqpUrl(), 'doctor', '--json']);
  const { findings } = JSON.parse(rabbit.stdout) as Answer;
  expect(findings).toContainEqual({ area: 'rabbitmq', level: 'ok', text: 'it takes messages' });
  expect(findings.some(({ area, text }) => area === 'rabbitmq' && text.includes('consumer_timeout'))).toBe(true);
  expect(rabbit.code).toBe(0);
});

test('what is down is told with its cure and 69, and keys that others may read', async () => {
  chmodSync(join(shop.folder, 'secret.key'), 0o644);
  const ran = await shop.run(['-A', 'signed.ts', '-b', 'redis://127.0.0.1:1', 'doctor', '--json', '-t', '1']);
  expect(ran).toMatchObject({ code: 69, stderr: '' });
  const { findings } = JSON.parse(ran.stdout) as Answer;
  expect(findings.filter(({ level }) => level === 'down').map(({ area }) => area)).toEqual(['broker', 'results']);
  expect(findings).toContainEqual(expect.objectContaining({ area: 'security', level: 'warn', cure: 'chmod 600 secret.key' }));
});
