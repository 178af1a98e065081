// The proxy of the fault runs must do what it says, at the very byte, or its scenarios show nothing.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { beforeAck, beforeConfirm, type FaultProxy, inReply, startFaultProxy } from '../../faults/harness/proxy.ts';
import { seededRandom } from '../../faults/harness/random.ts';
import { amqpReader, redisReaders } from '../../faults/harness/wire.ts';

let server: Server;
let sockets: Socket[];
let proxy: FaultProxy;
/** What the server does with what comes. */
let answer: (socket: Socket, chunk: Buffer) => void;

async function setup(scheme: 'redis' | 'amqp'): Promise<void> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  proxy = await startFaultProxy(`${scheme}://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/0`);
}

beforeEach(() => {
  sockets = [];
  answer = (socket, chunk) => void socket.write(chunk);
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined).on('data', (chunk) => answer(socket, chunk));
  });
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await proxy[Symbol.asyncDispose]();
  server.close();
});

interface Peer {
  readonly socket: Socket;
  readonly heard: () => string;
  /** Resolves to how the line ended. */
  readonly ended: Promise<'reset' | 'fin'>;
  waits(length: number): Promise<void>;
}

async function dial(): Promise<Peer> {
  const socket = connect({ port: proxy.port, host: '127.0.0.1' });
  let heard = '';
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
  });
  const ended = new Promise<'reset' | 'fin'>((resolve) => {
    socket.once('error', () => resolve('reset')).once('end', () => resolve('fin'));
  });
  await once(socket, 'connect');
  const waits = async (length: number): Promise<void> => {
    while (heard.length < length) await once(socket, 'data');
  };
  return { socket, heard: () => heard, ended, waits };
}

/** A frame of AMQP with one method in it. */
function frame(classId: number, method: number, payload: string = ''): Buffer {
  const body = Buffer.concat([Buffer.from([0, classId, 0, method]), Buffer.from(payload)]);
  const head = Buffer.alloc(7);
  head[0] = 1;
  head.writeUInt32BE(body.length, 3);
  return Buffer.concat([head, body, Buffer.from([0xce])]);
}

test('what is not disturbed passes whole, in both directions', async () => {
  await setup('redis');
  const peer = await dial();
  peer.socket.write('*1\r\n$4\r\nPING\r\n');
  await peer.waits(14);
  expect([peer.heard(), proxy.open, proxy.made]).toEqual(['*1\r\n$4\r\nPING\r\n', 1, 1]);
  peer.socket.end();
  expect(await peer.ended).toBe('fin');
});

test.each(['rst', 'fin'] as const)('a cut with %s ends every line as it says', async (how) => {
  await setup('redis');
  const peers = [await dial(), await dial()];
  for (const peer of peers) peer.socket.write('x\r\n');
  await Promise.all(peers.map((peer) => peer.waits(3)));
  expect(proxy.cut(how)).toBe(2);
  expect(await Promise.all(peers.map((peer) => peer.ended))).toEqual(how === 'rst' ? ['reset', 'reset'] : ['fin', 'fin']);
  const next = await dial();
  next.socket.write('y\r\n');
  await next.waits(3);
});

test('a frozen direction keeps its bytes until it thaws, and the other one flows', async () => {
  await setup('redis');
  const peer = await dial();
  peer.socket.write('a\r\n');
  await peer.waits(3);
  proxy.freeze('up');
  peer.socket.write('b\r\n');
  sockets[0]?.write('c\r\n');
  await peer.waits(6);
  expect(peer.heard()).toBe('a\r\nc\r\n');
  proxy.thaw();
  await peer.waits(9);
  expect(peer.heard()).toBe('a\r\nc\r\nb\r\n');
});

test('a slow line is late, and throttled to its rate', async () => {
  await setup('redis');
  answer = (socket) => void socket.write(Buffer.alloc(5000));
  const peer = await dial();
  proxy.slow({ delay: 60 });
  const began = performance.now();
  peer.socket.write('x\r\n');
  await peer.waits(5000);
  expect(performance.now() - began).toBeGreaterThan(115);
  proxy.slow({ delay: 0, rate: 20_000 });
  const again = performance.now();
  peer.socket.write('x\r\n');
  await peer.waits(10_000);
  expect(performance.now() - again).toBeGreaterThan(200);
});

test('before the confirm of the n-th publish the line is cut, and the publish has passed', async () => {
  await setup('amqp');
  let seen = '';
  const ack = frame(60, 80);
  answer = (socket, chunk) => {
    seen += chunk.toString('latin1');
    socket.write(ack);
  };
  const sprung = proxy.trap(beforeConfirm(2));
  const peer = await dial();
  peer.socket.write('AMQP\0\0\x09\x01');
  await peer.waits(ack.length);
  peer.socket.write(frame(60, 40, 'first'));
  await peer.waits(2 * ack.length);
  peer.socket.write(frame(60, 40, 'second'));
  await sprung;
  expect(await peer.ended).toBe('reset');
  expect(seen).toContain('second');
  expect(peer.heard().length).toBe(2 * ack.length);
});

test('before the n-th ack of a worker the line is cut, and that ack never arrives', async () => {
  await setup('amqp');
  let seen = '';
  answer = (_, chunk) => {
    seen += chunk.toString('latin1');
  };
  const sprung = proxy.trap(beforeAck(2, 'fin'));
  const peer = await dial();
  // In one write, so that the cut is inside of a chunk.
  peer.socket.write(Buffer.concat([frame(60, 80, 'one'), frame(60, 80, 'two'), frame(60, 80, 'three')]));
  await sprung;
  await peer.ended;
  await expect.poll(() => seen).toContain('one');
  expect(seen).not.toContain('two');
});

test('inside a reply of Redis the line is cut behind so many bytes, or only held', async () => {
  await setup('redis');
  const reply = '*2\r\n$3\r\nabc\r\n:7\r\n';
  answer = (socket) => void socket.write(reply);
  const command = '*2\r\n$7\r\nEVALSHA\r\n$1\r\nx\r\n';
  const isEval = ({ name }: { readonly name: string }): boolean => name === 'EVALSHA';
  const cut = proxy.trap(inReply(2, isEval, { bytes: 6, act: 'fin' }));
  const peer = await dial();
  peer.socket.write(command);
  await peer.waits(reply.length);
  peer.socket.write(command);
  await cut;
  expect(await peer.ended).toBe('fin');
  expect(peer.heard()).toBe(reply + reply.slice(0, 6));
  const held = proxy.trap(inReply(1, isEval, { act: 'freeze' }));
  const other = await dial();
  other.socket.write(command);
  await held;
  expect([other.heard(), other.socket.readyState]).toEqual(['', 'open']);
});

test('frames and replies are found wherever the chunks end', () => {
  const stream = Buffer.concat([Buffer.from('AMQP\0\0\x09\x01'), frame(60, 40, 'body'), frame(60, 80)]);
  const commands = Buffer.from('*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n');
  const replies = Buffer.from('+PONG\r\n*2\r\n*1\r\n$-1\r\n%1\r\n+a\r\n:1\r\n');
  for (let size = 1; size < 40; size++) {
    const pieces = (bytes: Buffer): readonly Buffer[] =>
      Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
    const reader = amqpReader();
    expect(pieces(stream).flatMap((piece) => reader(piece).map(({ name, start }) => [name, start]))).toEqual([
      ['60.40', 8],
      ['60.80', 24],
    ]);
    const { up, down } = redisReaders();
    expect(pieces(commands).flatMap((piece) => up(piece).map(({ name }) => name))).toEqual(['PING', 'GET']);
    expect(pieces(replies).flatMap((piece) => down(piece).map(({ name, end }) => [name, end]))).toEqual([
      ['PING', 7],
      ['GET', replies.length],
    ]);
  }
});

test('one seed gives one row of numbers', () => {
  const row = (seed: number): readonly number[] => {
    const random = seededRandom(seed);
    return Array.from({ length: 100 }, () => random.int(3, 5));
  };
  expect(row(7)).toEqual(row(7));
  expect(row(7)).not.toEqual(row(8));
  expect(new Set(row(7))).toEqual(new Set([3, 4, 5]));
});
