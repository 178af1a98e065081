// The thread that writes heartbeats on a line of which it owns only the gaps between two frames.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { createAmqpPulse } from '../../../src/util/index.ts';

const OVERHEAD = 8;
const HEARTBEAT = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce]);

/** A body frame of so many bytes, none of which ends one. */
function frame(size: number): Buffer {
  const bytes = Buffer.alloc(OVERHEAD + size, 0x55);
  bytes.set([3, 0, 1], 0);
  bytes.writeUInt32BE(size, 3);
  bytes[bytes.length - 1] = 0xce;
  return bytes;
}

/** Counts what came, frame by frame; throws where a frame does not end where it says. */
function counted(bytes: Buffer): { frames: number; heartbeats: number } {
  const count = { frames: 0, heartbeats: 0 };
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 3) + OVERHEAD;
    const one = bytes.subarray(at, at + length);
    if (one.at(-1) !== 0xce || (one[0] !== 3 && !one.equals(HEARTBEAT))) throw new Error(`No frame at byte ${at}.`);
    if (one[0] === 8) count.heartbeats++;
    else count.frames++;
    at += length;
  }
  return count;
}

async function line(): Promise<{ near: Socket; far: Socket } & AsyncDisposable> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  await once(near, 'ready');
  return {
    near,
    far,
    [Symbol.asyncDispose]: async () => {
      near.destroy();
      far.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test('heartbeats leave while the loop is blocked, and stop when the line is closed', async () => {
  await using both = await line();
  await using pulse = createAmqpPulse();
  pulse.watch(both.near)?.start(0.4);
  const chunks: Buffer[] = [];
  both.far.on('data', (chunk: Buffer) => chunks.push(chunk));
  // The thread has to be there first.
  const blocked = (): number => {
    block(300);
    return chunks.length;
  };
  await expect.poll(blocked, { timeout: 10_000 }).toBeGreaterThan(0);
  const before = Buffer.concat(chunks).length;
  block(1000);
  await expect.poll(() => counted(Buffer.concat(chunks).subarray(before)).heartbeats).toBeGreaterThan(5);
  both.near.destroy();
  const { near: next, far } = both;
  await once(far, 'close');
  expect(next.destroyed).toBe(true);
  expect(counted(Buffer.concat(chunks)).frames).toBe(0);
});

test('a heartbeat never falls into a frame, however the line is filled', async () => {
  await using both = await line();
  await using pulse = createAmqpPulse();
  // So often that the thread takes a loop that turns for one that is blocked.
  pulse.watch(both.near)?.start(0.004);
  const chunks: Buffer[] = [];
  both.far.on('data', (chunk: Buffer) => chunks.push(chunk));
  let sent = 0;
  const until = performance.now() + 3000;
  while (performance.now() < until) {
    const size = Math.floor(2 ** (Math.random() * 21));
    const isCorked = Math.random() < 0.5;
    if (isCorked) both.near.cork();
    for (let count = isCorked ? 3 : 1; count > 0; count--, sent++) both.near.write(frame(size));
    if (isCorked) both.near.uncork();
    // A reader that stands still fills the system's buffers, so that frames leave in parts.
    if (Math.random() < 0.2) both.far.pause();
    if (Math.random() < 0.2) block(20);
    await new Promise((resolve) => setTimeout(resolve, 5));
    both.far.resume();
    if (both.near.writableNeedDrain && Math.random() < 0.5) await once(both.near, 'drain');
  }
  const ended = once(both.far, 'end');
  both.near.end();
  await ended;
  const { frames, heartbeats } = counted(Buffer.concat(chunks));
  expect(frames).toBe(sent);
  expect(heartbeats).toBeGreaterThan(20);
});

test('a line goes on after its pulse has ended, whatever the thread was doing', async () => {
  for (let round = 0; round < 10; round++) {
    await using both = await line();
    const pulse = createAmqpPulse();
    pulse.watch(both.near)?.start(0.001);
    const chunks: Buffer[] = [];
    both.far.on('data', (chunk: Buffer) => chunks.push(chunk));
    await expect.poll(() => chunks.length, { interval: 1, timeout: 10_000 }).toBeGreaterThan(0);
    await pulse[Symbol.asyncDispose]();
    both.near.end(frame(100));
    await once(both.far, 'end');
    expect(counted(Buffer.concat(chunks)).frames).toBe(1);
  }
});
