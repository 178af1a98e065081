// The program of a thread of the pool threads. Started by pool/threads.ts, never imported.
import { parentPort, workerData } from 'node:worker_threads';
import { claimEnvironment } from '../app/index.ts';
import { FrameReader, FrameWriter, type ThreadData } from '../pool/index.ts';
import { type SlotData, serve } from './slot-serve.ts';

function main(): void {
  const port = parentPort;
  if (port === null) throw new Error('This program runs in a thread of a Lovage worker.');
  // What has no effect the worker has said already.
  claimEnvironment(Object.keys(process.env).filter((variable) => variable.startsWith('LOVAGE_')));
  const { name, data, flags } = workerData as ThreadData;
  const writer = new FrameWriter((bytes) => {
    const copy = new Uint8Array(bytes);
    port.postMessage(copy, [copy.buffer]);
    return false;
  });
  const serving = serve({
    name,
    pid: process.pid,
    data: data as unknown as SlotData,
    send: (type, seq, head, body) => writer.send(type, seq, head, body),
    flush: () => writer.flush(),
    flags: new Int32Array(flags),
    report: (line) => port.postMessage(line),
    exit: (code) => {
      writer.flush();
      process.exit(code);
    },
  });
  process.on('exit', () => serving.lastWords());
  const reader = new FrameReader((frame) => serving.receive(frame));
  port.on('message', (bytes: Uint8Array) => reader.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
}

main();
