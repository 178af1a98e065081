import { readFile } from 'node:fs/promises';
import { Lovage } from 'lovage';

export const app = new Lovage('demo'); // embedded broker and results: one SQLite file, no server

/** Reads one text file and says what is in it. */
export const count = app.task('demo.count', async (path: string) => {
  const text = await readFile(path, 'utf8');
  const words = text.toLowerCase().match(/\p{L}{4,}/gu) ?? [];
  const frequent: Record<string, number> = Object.create(null);
  for (const word of words) frequent[word] = (frequent[word] ?? 0) + 1;
  const top = Object.entries(frequent)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 50);
  return { path, lines: text.split('\n').length, words: words.length, top };
});

/** Fails on its first two attempts, as a network does, and is tried again by itself. */
export const flaky = app.task(
  'demo.flaky',
  { bind: true, autoretryFor: [Error], defaultRetryDelay: 0.3 },
  async (ctx, path: string) => {
    if (ctx.request.retries < 2) throw new Error(`attempt ${ctx.request.retries + 1} had no luck`);
    return `${path}: worked at attempt ${ctx.request.retries + 1}`;
  },
);
