import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FRAME, type Frame, FrameReader, FrameWriter, readingFrames } from '../../../src/pool/frames.ts';
import { inheritedEnvironment, inheritedOptions, Lines, MAX_LINE } from '../../../src/pool/link.ts';

interface Seen {
  readonly type: number;
  readonly seq: number;
  readonly head: string;
  readonly body: string;
}

/** What is read of these bytes, cut at those places. */
function read(bytes: Buffer, cuts: readonly number[]): readonly Seen[] {
  const seen: Seen[] = [];
  const reader = new FrameReader(({ type, seq, head, body }) =>
    seen.push({ type, seq, head: head.toString(), body: body.toString('latin1') }),
  );
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const place of [...places, bytes.length]) {
    reader.push(bytes.subarray(from, place));
    from = place;
  }
  return seen;
}

const frame = fc.record({
  type: fc.constantFrom(FRAME.job, FRAME.done, FRAME.accept),
  seq: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  head: fc.oneof(fc.string({ unit: 'binary' }), fc.constant('h'.repeat(20_000)), fc.constant('ü'.repeat(30_000))),
  body: fc.oneof(
    fc.uint8Array(),
    fc.integer({ min: 0, max: 200_000 }).map((length) => new Uint8Array(length).fill(7)),
  ),
});

describe('frames', () => {
  test('come out as they went in, however the stream is cut, whether memory is kept or used again', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(400_000)), fc.boolean(), (frames, cuts, kept) => {
        const written: Buffer[] = [];
        const writer = new FrameWriter((bytes) => {
          written.push(Buffer.from(bytes));
          return kept;
        });
        for (const { type, seq, head, body } of frames) writer.send(type, seq, head, body);
        writer.flush();
        const seen = read(Buffer.concat(written), cuts);
        expect(seen).toEqual(
          frames.map(({ type, seq, head, body }) => ({
            type,
            seq,
            head: Buffer.from(head).toString(),
            body: Buffer.from(body).toString('latin1'),
          })),
        );
      }),
      { numRuns: 60 },
    );
  });

  test('of one turn of the loop are one write', async () => {
    const writes: number[] = [];
    const writer = new FrameWriter((bytes) => {
      writes.push(bytes.length);
      return false;
    });
    for (let seq = 1; seq <= 3; seq++) writer.send(FRAME.accept, seq);
    await new Promise((next) => setImmediate(next));
    expect(writes).toHaveLength(1);
  });
});

describe('what is no frame', () => {
  const written: Buffer[] = [];
  const writer = new FrameWriter((bytes) => {
    written.push(Buffer.from(bytes));
    return false;
  });
  writer.send(FRAME.accept, 7, 'text');
  writer.flush();
  const good = Buffer.concat(written);

  /** What was told and how many frames were seen of these bytes, in pieces of that size, and of a good frame behind them. */
  function tell(bytes: Buffer, piece: number, onFrame: (frame: Frame) => void): readonly [number, readonly unknown[]] {
    const broken: unknown[] = [];
    let frames = 0;
    const read = readingFrames(
      (frame) => {
        frames++;
        onFrame(frame);
      },
      (error) => broken.push(error),
    );
    for (let at = 0; at < bytes.length; at += piece) read(bytes.subarray(at, at + piece));
    read(good);
    return [frames, broken];
  }

  test('is told of once, and nothing behind it is read', () => {
    const short = Buffer.from([0, 0, 0, 1, 8]);
    for (const piece of [1, 5]) expect(tell(short, piece, () => undefined)).toEqual([0, [expect.any(RangeError)]]);
    expect(tell(good, 5, (frame) => void JSON.parse(frame.text))).toEqual([1, [expect.any(SyntaxError)]]);
    expect(tell(good, 5, () => undefined)).toEqual([2, []]);
  });
});

describe('lines', () => {
  test('are whole, bounded, and none is missing at the end', () => {
    const lines: string[] = [];
    const splitter = new Lines((line) => lines.push(line));
    const bytes = Buffer.from(`one\nzwölf\n\n${'x'.repeat(MAX_LINE + 5)}\nlast`);
    for (const byte of bytes) splitter.push(Buffer.from([byte]));
    splitter.end();
    expect(lines).toEqual(['one', 'zwölf', '', 'x'.repeat(MAX_LINE), 'xxxxx', 'last']);
  });
});

test('slots have the options of Node that the worker has, but for those that are one process’s own', () => {
  const given = ['--inspect=9229', '--max-old-space-size=64', '-e', 'code', '--import', './x.ts', '--test', '--eval=1'];
  expect(inheritedOptions(given)).toEqual(['--max-old-space-size=64', '--import', './x.ts']);
});

test.each([
  ['--inspect', ''],
  ['--inspect-brk=127.0.0.1:9229 --max-old-space-size=64', '--max-old-space-size=64'],
  ['--import ./x.ts --inspect-port 9230 --inspect=[::1]:9229', '--import ./x.ts'],
  ['--require /a/boot.js --inspect-publish-uid=http', '--require /a/boot.js --inspect-publish-uid=http'],
])('of the NODE_OPTIONS %s slots have %j', (given, theirs) => {
  expect(inheritedEnvironment({ NODE_OPTIONS: given })).toEqual({ NODE_OPTIONS: theirs });
});

test('slots of a process without NODE_OPTIONS have none', () => {
  expect(inheritedEnvironment({})).toEqual({});
});
