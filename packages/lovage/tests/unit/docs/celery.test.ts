// docs/celery.md says the truth: about the command line, the settings table and the tests that it names.
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { celeryPage, celeryPagePath, settingFate } from '../../../../../scripts/celery-page.ts';
import { settingName } from '../../../src/app/settings.ts';
import { commandNames } from '../../../src/cli/broker-shell/grammar.ts';
import { allCommands } from '../../../src/cli/commands/index.ts';
import { parse } from '../../../src/cli/parse.ts';
import { createSignals } from '../../../src/task/index.ts';
import { celeryAmqpCommands, celeryCommands } from '../../support/celery/commands.ts';
import { settingEffects } from '../../support/celery/effects.ts';
import { celerySettings } from '../../support/celery/settings.ts';
import { celerySignals } from '../../support/celery/signals.ts';

const commands = await allCommands();

function help(name: string): string {
  const words = name === '(global)' ? ['--help'] : [name, '--help'];
  const answer = parse(words, {}, { commands, colors: false, width: 120 });
  if (!('exitCode' in answer)) throw new Error('--help was not answered with help.');
  return answer.stdout;
}

test('the page is what the script makes', () => {
  expect(readFileSync(celeryPagePath, 'utf8'), 'run: node scripts/celery-page.ts').toBe(celeryPage());
});

test.each(celeryCommands)("the options of Celery's $name that work are there, the refused ones are not", ({ name, options }) => {
  const text = help(name);
  for (const [option, fate] of Object.entries(options)) {
    const words = option.split(', ');
    const isThere = words.every((word) => new RegExp(`(?<![\\w-])${word}(?![\\w-])`).test(text));
    if (fate === '=') expect([option, isThere]).toEqual([option, true]);
    if (/^(no|python):/.test(fate)) expect([option, isThere]).toEqual([option, false]);
  }
});

test('the broker shell has all commands of Celery', () => {
  expect(celeryAmqpCommands.filter((name) => !commandNames.some((own) => own === name))).toEqual([]);
});

test.each(celerySettings)('%s is known: it works under this name, or its refusal says why', (name) => {
  const fate = settingFate(name);
  if (fate.kind === 'refused') {
    expect(fate.reason).not.toBe('');
    expect(() => settingName(name)).toThrow(fate.reason);
  } else expect(() => settingName(name)).not.toThrow();
});

test.each(Object.entries(settingEffects))('the effect of %s is shown by a test that is there and sets it', (name, file) => {
  const path = new URL(`../../${file}`, import.meta.url);
  expect(existsSync(path)).toBe(true);
  expect(readFileSync(path, 'utf8')).toMatch(new RegExp(`\\b${name}\\b`));
});

const signals = createSignals();
const camel = (name: string): string => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

test.each(celerySignals)(
  'the signal $name is there and a test hears it, or its row says why not',
  ({ name, fate, test: file }) => {
    expect(Object.hasOwn(signals, camel(name))).toBe(file !== undefined);
    if (file === undefined) return expect(fate).toMatch(/^(no|python): /);
    const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
    expect(text).toMatch(new RegExp(`\\b(${name}|${camel(name)})\\b`));
  },
);

test('all signals that there are stand in the list', () => {
  const listed = celerySignals.map(({ name }) => camel(name));
  expect(Object.keys(signals).filter((name) => name !== 'on' && !listed.includes(name))).toEqual([]);
});
