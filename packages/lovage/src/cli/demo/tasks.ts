// The tasks of the demonstration, as a user would write them.
import { readFile } from 'node:fs/promises';
import { Lovage } from '../../app/index.ts';
import type { Task } from '../../task/index.ts';

export interface Counted {
  readonly path: string;
  readonly lines: number;
  readonly words: number;
  readonly top: readonly (readonly [word: string, times: number])[];
}

export interface Demo {
  readonly app: Lovage;
  /** Reads one text file and says what is in it. */
  readonly count: Task<[path: string], Counted>;
  /** Fails on its first two attempts, as a network does, and is tried again by itself. */
  readonly flaky: Task<[path: string], string>;
}

const count = async (path: string): Promise<Counted> => {
  const text = await readFile(path, 'utf8');
  const words = text.toLowerCase().match(/\p{L}{4,}/gu) ?? [];
  const times = new Map<string, number>();
  for (const word of words) times.set(word, (times.get(word) ?? 0) + 1);
  const top = [...times].sort(([, a], [, b]) => b - a).slice(0, 50);
  // What follows the last line break is a line when there is something.
  const lines = text.split('\n').length - (text === '' || text.endsWith('\n') ? 1 : 0);
  return { path, lines, words: words.length, top };
};

/** An app on an embedded database in this folder. */
export function demoApp(folder: string): Demo {
  const app = new Lovage('demo', { brokerUrl: `sqlite://${folder}/demo.db` }, { environment: {} });
  return {
    app,
    count: app.task('demo.count', count),
    flaky: app.task(
      'demo.flaky',
      { bind: true, autoretryFor: [Error], defaultRetryDelay: 0.3 },
      async (context, path: string) => {
        if (context.request.retries < 2) throw new Error(`attempt ${context.request.retries + 1} had no luck`);
        return `${path}: worked at attempt ${context.request.retries + 1}`;
      },
    ),
  };
}
