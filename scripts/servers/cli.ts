// `npm run servers -- redis rabbitmq`: starts private servers for the shell, prints their URLs and runs until Ctrl-C.
// `npm run servers -- install`: installs what is missing and starts nothing.

import { installEmulators, startEtcd, startMariadb, startMemcached, startPostgres, startRabbit, startRedis } from './index.ts';
import { type Need, requireAll } from './install.ts';

const starters: Readonly<Record<string, () => Promise<{ readonly url: string } & AsyncDisposable>>> = {
  redis: startRedis,
  rabbitmq: startRabbit,
  memcached: startMemcached,
  postgres: startPostgres,
  mariadb: startMariadb,
  etcd: startEtcd,
};

const PYTHON = '/usr/lib/python3/dist-packages';

/** Everything that the tests need of the machine. */
const NEEDS: readonly Need[] = [
  [['redis-server'], ['redis-server']],
  [['redis-sentinel'], ['redis-sentinel']],
  [['redis-cli'], ['redis-tools']],
  [['/usr/lib/rabbitmq/bin/rabbitmq-server'], ['rabbitmq-server']],
  [['memcached'], ['memcached']],
  [['postgres', '/usr/lib/postgresql/*/bin/postgres'], ['postgresql']],
  [['mariadbd'], ['mariadb-server-core']],
  [['my_print_defaults'], ['mariadb-client-core']],
  [['etcd'], ['etcd-server']],
  [
    [`${PYTHON}/celery/__main__.py`],
    ['python3-celery', 'python3-redis', 'python3-msgpack', 'python3-yaml', 'python3-brotli', 'python3-zstandard'],
  ],
  [[`${PYTHON}/memcache.py`], ['python3-memcache']],
  [[`${PYTHON}/sqlalchemy/__init__.py`], ['python3-sqlalchemy']],
];

async function main(names: readonly string[]): Promise<void> {
  if (names[0] === 'install') {
    requireAll(NEEDS);
    installEmulators();
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
