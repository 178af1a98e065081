// `npm run servers -- redis rabbitmq`: starts private servers for the shell, prints their URLs and runs until Ctrl-C.
// `npm run servers -- install`: installs what is missing and starts nothing.

import { startRabbit, startRedis } from './index.ts';
import { requireBinary } from './install.ts';

const starters: Readonly<Record<string, () => Promise<{ readonly url: string } & AsyncDisposable>>> = {
  redis: startRedis,
  rabbitmq: startRabbit,
};

async function main(names: readonly string[]): Promise<void> {
  if (names[0] === 'install') {
    requireBinary(['redis-server'], ['redis-server']);
    requireBinary(['redis-sentinel'], ['redis-sentinel']);
    requireBinary(['/usr/lib/rabbitmq/bin/rabbitmq-server'], ['rabbitmq-server']);
    requireBinary(
      ['/usr/lib/python3/dist-packages/celery/__main__.py'],
      ['python3-celery', 'python3-redis', 'python3-msgpack', 'python3-yaml', 'python3-brotli', 'python3-zstandard'],
    );
    return;
  }
  const unknown = names.filter((name) => !(name in starters));
  if (names.length === 0 || unknown.length > 0) {
    console.error(
      `usage: npm run servers -- install | ${Object.keys(starters).join(' | ')} …${unknown.length > 0 ? ` (unknown: ${unknown.join(', ')})` : ''}`,
    );
    process.exitCode = 2;
    return;
  }
  await using stack = new AsyncDisposableStack();
  for (const name of names) {
    const server = stack.use(await (starters[name] as () => Promise<{ readonly url: string } & AsyncDisposable>)());
    console.log(`${name}: ${server.url}`);
  }
  const stay = setInterval(() => undefined, 1 << 30);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  clearInterval(stay);
}

await main(process.argv.slice(2));
