// The words of `lovage multi`, held to what Celery makes of them.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { expandFor, type MultiContext, nodesOf } from '../../../src/cli/multi/nodes.ts';

interface Case {
  readonly argv: readonly string[];
  readonly exit_code: number;
  readonly stdout: string;
}

const { cases } = JSON.parse(readFileSync(new URL('../../vectors/fn-multi-show.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly Case[];
};
const VALUES = new Set(['-c', '-Q', '-l', '-O', '-A', '--pidfile', '--logfile', '--executable', '-P']);
const context: MultiContext = {
  host: 'host.example',
  pidfile: '%n.pid',
  logfile: '%n%I.log',
  rangePrefix: 'celery',
  takesValue: (name) => (VALUES.has(name) ? true : ['-E', '-B'].includes(name) ? false : undefined),
};

function answer(command: string | undefined, words: readonly string[]): readonly string[] {
  const [first = '', ...rest] = words;
  switch (command) {
    case 'show':
      return nodesOf(words, context).map((node) => ['python -m celery', ...node.global, 'worker', ...node.words].join(' '));
    case 'get': {
      const node = nodesOf(rest, context).find(({ name }) => name === first);
      return node === undefined ? [] : [['-m celery', ...node.global, 'worker', ...node.words].join(' ')];
    }
    case 'names':
      return nodesOf(words, context).map(({ name }) => name);
    case 'expand':
      return nodesOf(rest, context).map(({ name }) => expandFor(name)(first));
    default:
      throw new Error('no such command');
  }
}

test.each(cases.map((one) => [one.argv.slice(1).join(' '), one] as const))('%s', (_, { argv, exit_code, stdout }) => {
  const [command, ...words] = argv.slice(1).filter((word) => word !== '--nosplash');
  if (exit_code !== 0) {
    expect(() => answer(command, words)).toThrow();
    return;
  }
  const lines = stdout.split('\n').map((line) => line.trim());
  expect(answer(command, words)).toEqual(lines.filter((line) => line !== ''));
});

test('what a worker knows as a flag takes no name of a node for its value', () => {
  expect(nodesOf(['a', '-E', 'b'], context).map(({ name, words }) => [name, words.slice(0, 2)])).toEqual([
    ['a@host.example', ['--detach', '-E']],
    ['b@host.example', ['--detach', '-E']],
  ]);
});

test('a node that is named twice, none, and one that there is not are told', () => {
  expect(() => nodesOf(['a', 'a'], context)).toThrow('named twice');
  expect(() => nodesOf(['-c', '3'], context)).toThrow('which nodes');
  expect(() => nodesOf(['0'], context)).toThrow('0 nodes');
  expect(() => nodesOf(['a', '-c:c', '3'], context)).toThrow("':c' names no node");
  expect(() => nodesOf(['3', '-c:3-1', '4'], context)).toThrow("':3-1' names no node: a range goes from");
  expect(() => nodesOf(['3', '-c:1-99999999999', '4'], context)).toThrow("':1-99999999999' names no node");
});
