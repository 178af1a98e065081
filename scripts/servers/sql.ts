// Private SQL servers: PostgreSQL and MariaDB. Both refuse to run as root, so they get a user of their own when started by it.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findBinary, requireBinary } from './install.ts';
import { freePorts } from './ports.ts';
import { answers, type Server, startServer, temporaryFolder } from './server.ts';

export interface SqlServer extends Server {
  /** As a client of the database itself takes it: `postgresql://…` or `mysql://…`, without a password. */
  readonly url: string;
}

/** How a program is started as somebody else; as it is when this process is not root's. */
function asUser(user: string, command: string, args: readonly string[]): readonly [command: string, args: readonly string[]] {
  if (process.getuid?.() !== 0) return [command, args];
  const setpriv = findBinary('setpriv') ?? 'setpriv';
  const group = execFileSync('id', ['-g', user], { encoding: 'utf8' }).trim();
  return [setpriv, [`--reuid=${user}`, `--regid=${group}`, '--clear-groups', command, ...args]];
}

function ownedFolder(name: string, user: string): string {
  const folder = temporaryFolder(name);
  chmodSync(folder, 0o755);
  if (process.getuid?.() === 0) execFileSync('chown', [user, folder]);
  return folder;
}

const POSTGRES = ['postgres', '/usr/lib/postgresql/*/bin/postgres', '/opt/homebrew/opt/postgresql*/bin/postgres'];

/** PostgreSQL with a database and a superuser `lovage`, who needs no password. */
export async function startPostgres(): Promise<SqlServer> {
  const postgres = requireBinary(POSTGRES, ['postgresql']);
  const port = await freePorts();
  const user = 'postgres';
  const folder = ownedFolder('postgres', user);
  const data = join(folder, 'data');
  const initdb = asUser(user, join(dirname(postgres), 'initdb'), [
    ...['-D', data, '-U', 'lovage', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
  ]);
  execFileSync(initdb[0], [...initdb[1]], { cwd: folder, stdio: 'ignore' });
  const [command, args] = asUser(user, postgres, [
    ...['-D', data, '-p', `${port}`, '-c', 'listen_addresses=127.0.0.1'],
    ...['-c', `unix_socket_directories=${folder}`, '-c', 'fsync=off', '-c', 'max_connections=50'],
  ]);
  // To a login it answers R (welcome) or E (still starting).
  const login = Buffer.from('\0\0\0\0\0\x03\0\0user\0lovage\0database\0postgres\0\0', 'latin1');
  login.writeInt32BE(login.length);
  const server = await startServer(
    { name: 'PostgreSQL', port, command, args, ready: () => answers(port, login, (answer) => `${answer}`.startsWith('R')) },
    folder,
  );
  return Object.assign(server, { url: `postgresql://lovage@127.0.0.1:${port}/postgres` });
}

/** MariaDB with a database `lovage`; its root needs no password. */
export async function startMariadb(): Promise<SqlServer> {
  const mariadbd = requireBinary(['mariadbd', 'mysqld'], ['mariadb-server-core']);
  const port = await freePorts();
  // The package of the bare server makes no user of its own.
  const user = 'nobody';
  const folder = ownedFolder('mariadb', user);
  const data = join(folder, 'data');
  // The script that makes the first tables asks it for defaults.
  requireBinary(['my_print_defaults'], ['mariadb-client-core']);
  execFileSync(
    requireBinary(['mariadb-install-db'], ['mariadb-server-core']),
    ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db', `--user=${user}`],
    { cwd: folder, stdio: 'ignore' },
  );
  mkdirSync(join(data, 'lovage'), { recursive: true });
  if (process.getuid?.() === 0) execFileSync('chown', [user, join(data, 'lovage')]);
  const [command, args] = asUser(user, mariadbd, [
    ...['--no-defaults', `--datadir=${data}`, `--port=${port}`, '--bind-address=127.0.0.1'],
    ...[`--socket=${join(folder, 's.sock')}`, `--pid-file=${join(folder, 'pid')}`, '--innodb-flush-log-at-trx-commit=0'],
    '--max-allowed-packet=64M',
  ]);
  const server = await startServer(
    // It speaks first: a packet whose fifth byte is the version of the protocol, 10.
    { name: 'MariaDB', port, command, args, ready: () => answers(port, '', (answer) => answer[4] === 10) },
    folder,
  );
  return Object.assign(server, { url: `mysql://root@127.0.0.1:${port}/lovage` });
}
