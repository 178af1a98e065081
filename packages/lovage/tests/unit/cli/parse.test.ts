import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { cliPage, cliPagePath } from '../../../../../scripts/cli-page.ts';
import { allCommands } from '../../../src/cli/commands/index.ts';
import { commandNames } from '../../../src/cli/commands/names.ts';
import { commandTable } from '../../../src/cli/commands/table.ts';
import { environmentOptions } from '../../../src/cli/environment.ts';
import { type Answered, type Parsed, parse } from '../../../src/cli/parse.ts';

const commands = await allCommands();

function parsed(argv: readonly string[], environment: Record<string, string> = {}): Parsed {
  const outcome = parse(argv, environment, { commands, colors: false });
  if ('exitCode' in outcome) throw new Error(outcome.error ?? outcome.stdout);
  return outcome;
}

function answered(argv: readonly string[], environment: Record<string, string> = {}): Answered {
  const outcome = parse(argv, environment, { commands, colors: false });
  if (!('exitCode' in outcome)) throw new Error('It was understood.');
  return outcome;
}

test.each([
  [['wroker'], "There is no command 'wroker'. Did you mean 'worker'?"],
  [['-A', 'tasks.ts', 'stauts'], "There is no command 'stauts'. Did you mean 'status'?"],
  [['worker', '--concurency', '3'], "There is no option '--concurency' for worker. Did you mean '--concurrency'?"],
  [['queues', '--pool', 'x'], "There is no option '--pool' for queues."],
  [['queues', '-x'], "There is no option '-x' for queues."],
  [['--helpp'], "There is no option '--helpp'. Did you mean '--help'?"],
  [['-A', 'tasks.ts'], 'Which command?'],
  [['call'], 'NAME'],
  [['call', 'x', '[1,'], 'is not a JSON array'],
  [['call', 'x', '{}'], 'is JSON, but not a JSON array'],
  [['call', 'x', '-k', '[]'], 'is JSON, but not a JSON object'],
  [['call', 'x', '--eta', 'soon'], 'is no ISO 8601 time'],
  [['call', 'x', '--expires', 'soon'], 'neither a number of seconds nor an ISO 8601 time'],
  [['call', 'x', '--priority', '-1'], '--priority'],
  [['worker', '-c', '0'], '--concurrency'],
  [['worker', '-l', 'LOUD'], 'DEBUG, INFO, WARNING'],
  [['worker', '--log-format', 'xml'], '"text" and "json"'],
  [['worker', 'stray'], '"stray" is no setting: write key=value.'],
  [['status', '--timeout', '-1'], '--timeout'],
  [['completion'], 'Missing shell name'],
])('%j is a mistake told in one line', (argv, words) => {
  const { exitCode, error, stdout } = answered(argv);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(error).toContain(words);
  expect(error).not.toContain('\n');
});

test('global options stand before or after the command', () => {
  expect(parsed(['-A', 'a.ts', 'queues', '--json']).global).toMatchObject({ app: 'a.ts', json: true });
  expect(parsed(['queues', '--json', '-A', 'a.ts']).global).toMatchObject({ app: 'a.ts', json: true });
});

test('a negative number is the value of an option', () => {
  expect(parsed(['call', 'x', '--countdown', '-5', '--expires', '-1']).options).toMatchObject({ countdown: -5, expires: -1 });
});

test('big integers and dates in arguments stay exact', () => {
  const { options } = parsed(['call', 'x', '[123456789012345678901, {"__type__": "base64", "__value__": "AQI="}]']);
  const [big, bytes] = (options as { positional: [bigint, Uint8Array] }).positional;
  expect(big).toBe(123456789012345678901n);
  expect([...bytes]).toEqual([1, 2]);
});

test('settings follow a --', () => {
  expect(parsed(['worker', '-c', '2', '--', '.shutdownTimeout=9', 'worker.pool=solo']).options).toMatchObject({
    concurrency: 2,
    pairs: ['.shutdownTimeout=9', 'worker.pool=solo'],
  });
});

test('options come from the environment, and the command line outranks it', () => {
  const environment = { LOVAGE_APP: 'env.ts', LOVAGE_WORKER_CONCURRENCY: '7', LOVAGE_WORKER_PURGE: '1', LOVAGE_JSON: '0' };
  const { global, options } = parsed(['worker', '--', 'a=b'], environment);
  expect(global).toMatchObject({ app: 'env.ts', json: false });
  expect(options).toMatchObject({ concurrency: 7, purge: true, pairs: ['a=b'] });
  for (const argv of [['-c', '3'], ['-c3'], ['--concurrency=3']]) {
    const worker = commands.find(({ name }) => name === 'worker')!;
    expect(environmentOptions(worker, ['worker', ...argv], { LOVAGE_WORKER_CONCURRENCY: '7' })).toEqual([]);
  }
  expect(parsed(['worker', '-c', '3'], environment).options).toMatchObject({ concurrency: 3 });
});

test('a wrong value from the environment is told by the name of its variable', () => {
  expect(answered(['status'], { LOVAGE_APP: 'a.ts', LOVAGE_STATUS_TIMEOUT: 'abc' }).error).toContain('LOVAGE_STATUS_TIMEOUT');
  expect(() => parse(['status'], { LOVAGE_QUIET: 'maybe' }, { commands, colors: false })).toThrow('LOVAGE_QUIET');
  expect(answered(['status', '--nope'], { LOVAGE_APP: 'a.ts' }).error).not.toContain('LOVAGE_');
});

test('nothing at all is help', () => {
  const { exitCode, stdout } = answered([]);
  expect(exitCode).toBe(0);
  for (const { name } of commands) expect(stdout).toContain(`  ${name} `);
});

test.each(commands.map(({ name }) => name))('help of %s has an example, and a sentence for each option', (name) => {
  const { exitCode, stdout } = answered([name, '--help']);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/Examples:\n {2}lovage /);
  const bare = stdout.split('\n').filter((line) => line.startsWith('  -') && !line.trim().includes('  '));
  expect(bare).toEqual([]);
});

test('docs/cli.md says what the parsers say (else run `node scripts/cli-page.ts`)', () => {
  expect(readFileSync(cliPagePath, 'utf8')).toBe(cliPage());
});

test('the table of commands says what the commands say', () => {
  expect(commandTable.map(({ name, summary }) => [name, summary])).toEqual(commands.map(({ name, summary }) => [name, summary]));
  expect(commandTable.map(({ name }) => name)).toEqual(commandNames);
});
