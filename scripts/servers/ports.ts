// Free ports below the kernel's ephemeral range (32768 and up).
import { createServer } from 'node:net';

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** The first of `count` free ports in a row. */
export async function freePorts(count = 1): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const first = 10_000 + Math.floor(Math.random() * 22_000);
    const row = await Promise.all(Array.from({ length: count }, (_, offset) => isFree(first + offset)));
    if (row.every(Boolean)) return first;
  }
  throw new Error(`No ${count} free ports in a row between 10000 and 32000.`);
}
