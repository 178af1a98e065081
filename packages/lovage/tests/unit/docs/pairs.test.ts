// Every `key=value` behind a `--` in the pages is one that a program takes.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { Config } from '../../../src/app/config.ts';

const DOCS = resolve(import.meta.dirname, '../../../../../docs');
/** `-- a=1 b=2` of a command line, and `"--", "a=1", "b=2"` of a list of words. */
const TAILS = /(?:^|[\s`])-- ((?:[.(]?[\w.]+=[^\s`]+ ?)+)|"--", ((?:"[\w.]+=[^"]*"(?:, )?)+)/gm;

const pairs = readdirSync(DOCS)
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) =>
    [...readFileSync(join(DOCS, name), 'utf8').matchAll(TAILS)].flatMap(([, line = '', list = '']) =>
      [...line.trim().split(' '), ...list.replaceAll('"', '').split(', ')].filter((pair) => pair !== ''),
    ),
  );

test.each([...new Set(pairs)])('%s sets something', (pair) => {
  new Config({ environment: {} }).loadCommandLine([pair.replace(/`.*$/, '')]);
});

test('the pages have some', () => expect(pairs).toContain('healthHost=0.0.0.0'));
