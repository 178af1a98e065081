import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

const script = `
import { registerHooks } from 'node:module';
const urls = [];
registerHooks({ load(url, context, next) { urls.push(url); return next(url, context); } });
const { Lovage } = await import(process.argv[1]);
const app = new Lovage('t', { brokerUrl: 'memory://t' }, { environment: {} });
app.task('t', () => 1);
await app.close();
process.stdout.write(JSON.stringify(urls));
`;

function loaded(): readonly string[] {
  const door = new URL('../../../src/index.ts', import.meta.url).href;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script, door], { encoding: 'utf8', env: {} });
  return (JSON.parse(out) as string[]).map((url) => url.replace(/.*\/(?=src\/|node_modules\/)/, ''));
}

test('the front door and an app load no worker, pool, command line, driver or client package', () => {
  const urls = loaded();
  expect(urls).toContain('src/app/lovage.ts');
  const rooms = /^src\/(worker|consumer|pool|beat|cli|dashboard|testing)\//;
  const drivers = /^src\/(broker|result)\/(memory|sqlite|redis|amqp|rpc|disabled)/;
  const packages = /node_modules\/(ioredis|amqplib|jiti|@optique)|^node:sqlite/;
  expect(urls.filter((url) => rooms.test(url) || drivers.test(url) || packages.test(url))).toEqual([]);
});
