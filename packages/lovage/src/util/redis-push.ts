// LPUSH of many texts, written by hand into a buffer that is used again. Left to the client, each text would be copied twice more and
// kept until the answer, which is a third of what a publish costs (bench row redis-enqueue-bulk). Called by redis-client.ts.
import type { Redis } from 'ioredis';
import { sendPlain } from './redis-command.ts';

/** Sends `count` texts to a list in their order. */
export type RedisPush = (client: Redis, list: string, count: number, textOf: (index: number) => string) => Promise<unknown>;

/** Bytes of a new buffer, and of the largest that is kept. */
const FIRST = 2 ** 16;
const LARGEST = 2 ** 20;
/** Buffers kept: as many as pushes are usually under way. */
const KEPT = 4;
/** Room for what stands around a text: `$`, digits, two line ends. */
const FRAME = 32;

/** A buffer that is being filled; it grows by being replaced. */
interface Page {
  buffer: Buffer;
  at: number;
}

function makeRoom(page: Page, bytes: number): void {
  if (page.at + bytes <= page.buffer.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(2 * page.buffer.length, page.at + bytes));
  page.buffer.copy(larger, 0, 0, page.at);
  page.buffer = larger;
}

/** A bulk string of Redis's protocol: `$<bytes>`, then the text. In one write, which is right for ASCII; else once more with its true length. */
function writeText(page: Page, text: string): void {
  makeRoom(page, 3 * text.length + FRAME);
  const framed = framedText(text, text.length);
  const bytes = page.buffer.write(framed, page.at, 'utf8');
  if (bytes === framed.length) page.at += bytes;
  else page.at += page.buffer.write(framedText(text, text.length + bytes - framed.length), page.at, 'utf8');
}

const framedText = (text: string, bytes: number): string => `$${bytes}\r\n${text}\r\n`;

/** The pusher of a line. */
export function createPush(): RedisPush {
  const free: Buffer[] = [];
  return (client, list, count, textOf) => {
    const page: Page = { buffer: free.pop() ?? Buffer.allocUnsafeSlow(FIRST), at: 0 };
    page.at = page.buffer.write(`*${count + 2}\r\n`, 'latin1');
    writeText(page, 'LPUSH');
    writeText(page, list);
    for (let index = 0; index < count; index++) writeText(page, textOf(index));
    const { buffer, at } = page;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    // Once the server has answered it has read all of it; after a failure the socket might still hold the buffer.
    const answered = (length: unknown): void => {
      if (free.length < KEPT && buffer.length <= LARGEST) free.push(buffer);
      resolve(length);
    };
    sendPlain(client, 'lpush', buffer.subarray(0, at), { resolve: answered, reject });
    return promise;
  };
}
