// `lovage demo`: one task for each text file of a folder, on an embedded broker of its own that is gone afterwards.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { withDefault } from '@optique/core/modifiers';
import { argument } from '@optique/core/primitives';
import { string } from '@optique/core/valueparser';
import { ConfigurationError } from '../../util/index.ts';
import { startWorker } from '../../worker/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { textFiles } from '../demo/files.ts';
import { type Counted, demoApp } from '../demo/tasks.ts';
import { cutTable, type Output, printable } from '../output.ts';

const BAR = 24;
/** Seconds for each task. */
const PATIENCE = 120;

function filesOf(folder: string): readonly string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new ConfigurationError(`demo: there is no folder '${folder}'.`);
  const files = textFiles(folder);
  if (files.length === 0) throw new ConfigurationError(`demo: there is no text file in ${folder}. Name a folder that has some.`);
  return files;
}

const sum = (results: readonly Counted[], of: (result: Counted) => number): number =>
  results.reduce((total, result) => total + of(result), 0);

function mostFrequent(results: readonly Counted[]): readonly (readonly [string, number])[] {
  const words = new Map<string, number>();
  for (const { top } of results) for (const [word, times] of top) words.set(word, (words.get(word) ?? 0) + times);
  return [...words].sort(([, a], [, b]) => b - a).slice(0, 8);
}

interface Summary {
  readonly folder: string;
  readonly seconds: number;
  readonly lucky: string;
}

function show(results: readonly Counted[], { folder, seconds, lucky }: Summary, out: Output): void {
  const top = mostFrequent(results);
  const longest = results.toSorted((a, b) => b.lines - a.lines).slice(0, 5);
  const [lines, words] = [sum(results, (result) => result.lines), sum(results, (result) => result.words)];
  const most = top[0]?.[1] ?? 1;
  const bar = (times: number): string => '#'.repeat(Math.max(1, Math.round((times / most) * BAR)));
  const name = (path: string): string => relative(folder, path);
  out.answer(
    {
      ...{ folder, files: results.length, lines, words, seconds },
      frequent: Object.fromEntries(top),
      longest: longest.map((result) => ({ file: name(result.path), lines: result.lines })),
      retried: lucky,
    },
    [
      `${results.length} files, ${lines} lines, ${words} words of four letters or more, in ${seconds.toFixed(2)} s`,
      ...[
        '',
        ...cutTable(
          ['most frequent words', 'times', ''],
          top.map(([word, times]) => [word, times, bar(times)]),
          0,
        ),
      ],
      ...[
        '',
        ...cutTable(
          ['longest files', 'lines'],
          longest.map((result) => [name(result.path), result.lines]),
          0,
        ),
      ],
      ...['', `A task that fails at first, and is tried again: ${printable(lucky)}`],
      ...['', 'Next: write tasks.ts (README.md shows one), then: lovage -A tasks.ts dev'],
    ],
  );
}

export const demo: Command = defineCommand({
  name: 'demo',
  summary: 'See it at work: one task for each text file of a folder, on an embedded broker that is gone afterwards.',
  examples: ['lovage demo', 'lovage demo ./docs', 'lovage demo ./docs --json'],
  parser: object({
    folder: withDefault(
      argument(string({ metavar: 'FOLDER' }), {
        description: message`A folder with text files; the working directory if not given.`,
      }),
      '.',
    ),
  }),
  run: async ({ folder: given }, { out }) => {
    const folder = resolve(given);
    const files = filesOf(folder);
    const home = mkdtempSync(join(tmpdir(), 'lovage-demo-'));
    const { app, count, flaky } = demoApp(home);
    try {
      out.line(`${files.length} text files in ${printable(folder)}: one task each, all sent at once.`);
      const worker = await startWorker(app, {});
      const began = performance.now();
      const unlucky = await flaky.delay(relative(folder, files[0] ?? ''));
      const sent = await Promise.all(files.map((file) => count.delay(file)));
      let done = 0;
      const results = await Promise.all(
        sent.map(async (result) => {
          const value = await result.get({ timeout: PATIENCE });
          out.progress(`${++done} of ${files.length}`);
          return value;
        }),
      );
      const seconds = (performance.now() - began) / 1000;
      out.progress();
      const lucky = await unlucky.get({ timeout: PATIENCE });
      await worker.stop();
      show(results, { folder, seconds: Math.round(seconds * 1000) / 1000, lucky: String(lucky) }, out);
      return EXIT.ok;
    } finally {
      await app.close();
      rmSync(home, { recursive: true, force: true });
    }
  },
});
