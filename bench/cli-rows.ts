// Rows about the command line: how long a command takes from its start to its end, beside a Node that does nothing.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startProgram } from './lib/child.ts';
import type { Measure, Peer } from './lib/measure.ts';
import type { Row } from './rows.ts';

const run = promisify(execFile);
const LOVAGE = join(import.meta.dirname, '../packages/lovage/bin/lovage.js');
/** Runs in one figure: the shortest of them differ by a tenth. */
const RUNS = 10;

async function perRun(words: readonly string[]): Promise<number> {
  await run(process.execPath, words);
  const began = performance.now();
  for (let time = 0; time < RUNS; time++) await run(process.execPath, words);
  return (performance.now() - began) / RUNS;
}

const EMPTY = ['-e', ''];

const versionTime: Measure = async (peer) => ({
  milliseconds: await perRun(peer.name === 'Lovage' ? [LOVAGE, '--version'] : EMPTY),
});

/** One worker is there and is asked by its name, so that nobody waits for others. */
const pingTime: Measure = async (peer, places) => {
  if (peer.name !== 'Lovage') return { milliseconds: await perRun(EMPTY) };
  await using place = await places.open(peer.broker);
  const { url, queue } = place;
  await using program = startProgram(peer.program, 'worker', { url, queue, count: 2 ** 40 });
  await program.next();
  const ask = [LOVAGE, '-b', url, 'inspect', 'ping', '--json'];
  const { stdout } = await run(process.execPath, ask);
  const [node] = Object.keys(JSON.parse(stdout) as object);
  if (node === undefined) throw new Error(`No worker answered: ${stdout}`);
  return { milliseconds: await perRun([...ask, '-d', node]) };
};

const peers = (lovage: Pick<Peer, 'program' | 'broker'>): readonly Peer[] =>
  ['Lovage', 'empty Node'].map((name) => ({ name, ...lovage, count: 1 }));

export const CLI_ROWS: readonly Row[] = [
  {
    id: 'cli-version',
    title: 'Command line, `lovage --version`',
    unit: 'milliseconds',
    measure: versionTime,
    peers: peers({ program: 'lovage.ts', broker: 'redis' }),
    goals: [{ peer: 'empty Node', ratio: 1 / 1.5 }],
  },
  {
    id: 'cli-ping',
    title: 'Command line, `lovage inspect ping -d NODE`, Redis',
    unit: 'milliseconds',
    measure: pingTime,
    peers: peers({ program: 'lovage.ts', broker: 'redis' }),
    goals: [{ peer: 'empty Node', ratio: 1 / 2.5 }],
  },
];
