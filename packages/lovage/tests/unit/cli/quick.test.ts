// Lines that are read without the parser say what they say by the parser.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allCommands } from '../../../src/cli/commands/index.ts';
import { environmentVariables } from '../../../src/cli/environment.ts';
import { parse } from '../../../src/cli/parse.ts';
import { globalVariables, quickly } from '../../../src/cli/quick.ts';

const commands = await allCommands();
type Environment = Readonly<Record<string, string>>;

/** The same by the parser; undefined where it answers with a mistake or a page. */
function byParser(argv: readonly string[], environment: Environment): unknown {
  const parsed = parse(argv, environment, { commands, colors: false });
  if ('exitCode' in parsed) return undefined;
  const { command, options, global, user, preload } = parsed;
  expect({ user, preload }).toEqual({ user: {}, preload: {} });
  return { kind: command.name, options, global };
}

test.each<[argv: readonly string[], environment?: Environment]>([
  [['inspect', 'ping']],
  [['-b', 'redis://h', 'inspect', 'ping', '-d', 'a@h,b@h', '--json']],
  [['inspect', '--timeout=2.5', 'ping', '--destination=a@h', '-q', '-C']],
  [
    [
      '-A',
      'tasks.ts',
      '--config',
      'c.ts',
      '--result-backend=redis://r?a=b',
      'control',
      'rate_limit',
      'shop.resize',
      '10/m',
      '-t',
      '3',
    ],
  ],
  [['control', 'revoke', 'an-id'], { LOVAGE_APP: 'a.ts', LOVAGE_BROKER_URL: 'redis://h', LOVAGE_RESULT_BACKEND: 'redis://r' }],
  [['control', 'shutdown', '-A', 'b.ts'], { LOVAGE_APP: 'a.ts', LOVAGE_JSON: '' }],
])('%j is read, as by the parser', (argv, environment = {}) => {
  const quick = quickly(argv, environment);
  expect(quick).toBeDefined();
  expect(quick).toEqual(byParser(argv, environment));
});

test.each<[argv: readonly string[], environment?: Environment]>([
  [[]],
  [['status']],
  [['inspect']],
  [['inspect', '--list']],
  [['inspect', '--help']],
  [['inspect', 'ping', '--', '-x']],
  [['-d', 'a@h', 'inspect', 'ping']],
  [['inspect', 'ping', '-d']],
  [['inspect', 'ping', '-d', '-q']],
  [['inspect', 'ping', '-t', '1e3']],
  [['inspect', 'ping', '-t', '1', '-t', '2']],
  [['--workdir', '/tmp', 'inspect', 'ping']],
  [['inspect', 'ping'], { LOVAGE_QUIET: '1' }],
  [['inspect', 'ping'], { LOVAGE_INSPECT_TIMEOUT: '3' }],
  [['inspect', 'ping'], { LOVAGE_WORKER_CONCURRENCY: '3' }],
])('%j is left to the parser', (argv, environment = {}) => {
  expect(quickly(argv, environment)).toBeUndefined();
});

test('whatever is read is read as by the parser', () => {
  const word = fc.constantFrom(
    ...[
      'inspect',
      'control',
      'ping',
      'revoke',
      '-A',
      '--app=a.ts',
      '-b',
      '--broker=',
      '-j',
      '--json',
      '-q',
      '-C',
      '--config',
      '-x',
    ],
    ...[
      '-t',
      '2',
      '--timeout=0.5',
      '-1',
      '--timeout',
      '-d',
      'a@h',
      '--destination=a,b',
      'a,,b',
      '--list',
      '--',
      '',
      'help',
      '-jq',
      '-t3',
    ],
  );
  const environment = fc.constantFrom<Environment>({}, { LOVAGE_APP: 'e.ts' }, { LOVAGE_CONFIG: '', LOVAGE_BROKER: 'redis://e' });
  fc.assert(
    fc.property(fc.array(word, { maxLength: 5 }), environment, (words, variables) => {
      // A command before some of them: most lines of mere chance are none.
      for (const argv of [words, ['inspect', 'ping', ...words]]) {
        const quick = quickly(argv, variables);
        if (quick !== undefined) expect(quick).toEqual(byParser(argv, variables));
      }
    }),
    { numRuns: 300 },
  );
});

test('the variables of global options are known', () => {
  expect([...globalVariables].sort()).toEqual([...environmentVariables([])].sort());
});
