// A private memcached.
import { requireBinary } from './install.ts';
import { freePorts } from './ports.ts';
import { answers, type Server, startServer, temporaryFolder } from './server.ts';

export interface MemcachedServer extends Server {
  /** `cache+memcached://…/`. */
  readonly url: string;
}

/** `args`: further command line arguments. */
export async function startMemcached({ args = [] }: { readonly args?: readonly string[] } = {}): Promise<MemcachedServer> {
  const command = requireBinary(['memcached'], ['memcached']);
  const port = await freePorts();
  // It refuses to run as root unless it is told whom to become.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const server = await startServer(
    {
      name: 'memcached',
      port,
      command,
      args: ['-l', '127.0.0.1', '-p', `${port}`, '-U', '0', '-I', '8m', ...user, ...args],
      ready: () => answers(port, 'version\r\n', (answer) => `${answer}`.startsWith('VERSION')),
    },
    temporaryFolder('memcached'),
  );
  return Object.assign(server, { url: `cache+memcached://127.0.0.1:${port}/` });
}
