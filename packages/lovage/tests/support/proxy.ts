// A TCP proxy that a test can cut: every open connection dies with RST, the next one works again.
import { connect, createServer, type Socket } from 'node:net';
import { freePorts } from '../../../../scripts/servers/index.ts';
import { Condition } from '../../src/util/condition.ts';

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Connections open now. */
  readonly open: number;
  /** Resolves when the n-th connection from the start on arrives, whatever becomes of it. */
  arrival(n: number): Promise<void>;
  /** Kills every open connection; resolves to how many. */
  cut(): number;
  /** Connections from now on are ended at once, or no longer; those that are open stay. */
  refuse(refusing?: boolean): void;
  /** The URL with host and port replaced by the proxy's. */
  url(original: string): string;
}

export async function startProxy(targetUrl: string): Promise<Proxy> {
  const target = new URL(targetUrl.replace(/^\w+:/, 'http:'));
  const pairs = new Set<readonly [Socket, Socket]>();
  const arrivals = new Condition();
  let arrived = 0;
  let refusing = false;
  const server = createServer((near) => {
    arrived++;
    arrivals.changed();
    if (refusing) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: Number(target.port), host: target.hostname });
    const pair = [near, far] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      // Node 24 loses a socket that is reset while its end is on its way: the process then spins at its exit.
      for (const socket of [near, far]) {
        if (socket.writableEnded) socket.destroy();
        else socket.resetAndDestroy();
      }
    };
    for (const socket of pair) socket.on('error', end).on('close', end).setNoDelay(true);
    near.pipe(far).pipe(near);
  });
  const port = await freePorts();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const cut = (): number => {
    const dying = [...pairs];
    for (const [near] of dying) near.destroy(new Error('cut'));
    return dying.length;
  };
  return {
    port,
    get open() {
      return pairs.size;
    },
    arrival: (n) => arrivals.until(() => arrived >= n),
    cut,
    refuse: (now = true) => {
      refusing = now;
    },
    url: (original) => original.replace(`${target.hostname}:${target.port}`, `127.0.0.1:${port}`),
    [Symbol.asyncDispose]: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
