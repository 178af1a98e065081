// Compiled code is kept for the next run, and taken from nobody but this user.
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type KeptCode, keptCode } from '../../../src/cli/kept-code.ts';
import { testFolder } from '../../support/folder.ts';

const PROGRAM = `
exports.path = require('node:path').basename(__filename);
exports.late = () => require('./part.cjs').sum(2, 3);
`;

function setup(): { readonly open: () => KeptCode; readonly folder: string; readonly program: string; readonly kept: string } {
  const sources = testFolder('sources');
  const folder = join(testFolder('kept'), 'in', 'here');
  const program = join(sources, 'program.cjs');
  writeFileSync(program, PROGRAM);
  writeFileSync(join(sources, 'part.cjs'), 'exports.sum = (a, b) => a + b;');
  const open = (): KeptCode => {
    const code = keptCode(folder);
    if (code === undefined) throw new Error('not safe');
    return code;
  };
  return { open, folder, program, kept: join(folder, `program.cjs-${process.version}-${process.arch}`) };
}

/** Runs the program once, as a process would, and keeps its code. */
function run({ open, program }: ReturnType<typeof setup>): unknown {
  const code = open();
  const { path, late } = code.load(program) as { readonly path: string; readonly late: () => number };
  const said = [path, late()];
  code.save();
  return said;
}

const SAID = ['program.cjs', 5];

test('what a run compiled is kept once, for this user alone', () => {
  const place = setup();
  expect(run(place)).toEqual(SAID);
  expect(readdirSync(place.folder)).toHaveLength(2);
  const { ino, mode } = statSync(place.kept);
  expect([mode & 0o777, statSync(place.folder).mode & 0o777]).toEqual([0o600, 0o700]);
  expect(run(place)).toEqual(SAID);
  expect(statSync(place.kept).ino).toBe(ino);
});

test('functions that were called are kept, too', () => {
  const place = setup();
  const uncalled = place.open();
  uncalled.load(place.program);
  uncalled.save();
  const { size } = statSync(place.kept);
  const called = setup();
  run(called);
  expect(statSync(called.kept).size).toBeGreaterThan(size);
});

test.each<[what: string, spoilt: (good: Buffer) => Buffer, mode: number]>([
  ['of something else', () => Buffer.from('not what V8 wrote'), 0o600],
  ['cut short', (good) => good.subarray(0, 200), 0o600],
  ['of which one bit changed', (good) => good.map((byte, at) => (at === good.length >> 1 ? byte ^ 1 : byte)) as Buffer, 0o600],
  ['without a byte', () => Buffer.alloc(0), 0o600],
  ['that others may write', (good) => good, 0o666],
])('a file %s is not used, and written anew', (_what, spoilt, mode) => {
  const other = setup();
  run(other);
  // V8 itself remembers what it compiled in this process: a file of this place would not be looked at.
  const place = setup();
  place.open();
  writeFileSync(place.kept, spoilt(readFileSync(other.kept)));
  chmodSync(place.kept, mode);
  const { ino } = statSync(place.kept);
  expect(run(place)).toEqual(SAID);
  expect(statSync(place.kept)).toMatchObject({ size: statSync(other.kept).size });
  expect(statSync(place.kept).ino).not.toBe(ino);
  expect(statSync(place.kept).mode & 0o777).toBe(0o600);
});

test('a folder that is not safe keeps nothing', () => {
  const base = testFolder('unsafe');
  writeFileSync(join(base, 'file'), '');
  symlinkSync(testFolder('elsewhere'), join(base, 'link'));
  const shared = testFolder('shared');
  chmodSync(shared, 0o777);
  expect([join(base, 'file'), join(base, 'file/below'), join(base, 'link'), shared].map((path) => keptCode(path))).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('what nobody used for months is deleted when something is kept', () => {
  const place = setup();
  place.open();
  const old = join(place.folder, 'old.cjs-v1-x64');
  const recent = join(place.folder, 'recent.cjs-v1-x64');
  for (const path of [old, recent]) writeFileSync(path, '');
  utimesSync(old, new Date(0), new Date(0));
  run(place);
  expect([existsSync(old), existsSync(recent)]).toEqual([false, true]);
});
