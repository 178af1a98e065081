// `npm run test:faults -- [--seeds 20] [--seed 1] [--scale long|short] [--only id] [--stack name] [--results file] [--merge file] [--no-page]`:
// runs the scenarios again and again, writes each run as a line of JSON, and the table of docs/reliability.md from all lines of the file
// and of those that are merged; what has no run in them keeps its line of the table. `--seeds 0` runs nothing and only writes the table.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { COMPILED } from '../support/compiled.ts';
import { ensureBuilt } from '../support/program.ts';
import { hasStack } from './harness/arena.ts';
import { closeSharedServers } from './harness/lovage-stack.ts';
import { type Row, unfinishedRow, withRuns } from './harness/report.ts';
import { brokenPromises, PEERS, type Scenario, type ScenarioContext, type StackName } from './harness/scenario.ts';
import { addPeers } from './peers/index.ts';
import { scenarios } from './scenarios/index.ts';

Object.assign(process.env, COMPILED);
const ROOT = resolve(import.meta.dirname, '../../../..');
const PAGE = join(ROOT, 'docs/reliability.md');

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    scale: { type: 'string', default: 'long' },
    only: { type: 'string', multiple: true },
    stack: { type: 'string', multiple: true },
    merge: { type: 'string', multiple: true, default: [] },
    results: { type: 'string', default: join(ROOT, '.faults/results.jsonl') },
    'no-page': { type: 'boolean', default: false },
  },
});

const write = (row: Row): void => appendFileSync(options.results, `${JSON.stringify(row)}\n`);

async function runOne(scenario: Scenario, context: ScenarioContext): Promise<boolean> {
  const name = `${scenario.id} ${context.stack} seed ${context.seed}`;
  const began = performance.now();
  try {
    const result = await scenario.run(context);
    write({ scenario: scenario.id, ...context, ...result });
    const wrong = brokenPromises(result);
    const took = `${((performance.now() - began) / 1000).toFixed(0)} s`;
    console.log(
      wrong.length === 0 ? `ok    ${name} (${took})` : `WRONG ${name} (${took}): ${wrong.join('; ')}; ledger: ${result.folder}`,
    );
    const isGood = wrong.length === 0 || PEERS.has(context.stack);
    // The evidence of a run that kept the promise is of no use.
    if (isGood && result.folder !== undefined) rmSync(result.folder, { recursive: true, force: true });
    return isGood;
  } catch (error) {
    console.log(`ERROR ${name}: ${error instanceof Error ? error.stack : error}`);
    // A peer that fails worst must not be left out. An error of ours is a failure, and no row.
    const isPeer = PEERS.has(context.stack);
    if (isPeer) write(unfinishedRow(scenario, context, error));
    return isPeer;
  }
}

function readRows(file: string): readonly Row[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row);
}

/** A misspelt name would leave nothing to run, and nothing that went wrong. */
function refuseUnknown(option: string, given: readonly string[] = [], known: ReadonlySet<string>): void {
  const unknown = given.find((name) => !known.has(name));
  if (unknown === undefined) return;
  console.error(`${option}: there is no '${unknown}'. There are: ${[...known].join(', ')}.`);
  process.exit(2);
}

async function main(): Promise<void> {
  refuseUnknown('--scale', [options.scale], new Set(['short', 'long']));
  refuseUnknown('--only', options.only, new Set(scenarios.map(({ id }) => id)));
  refuseUnknown('--stack', options.stack, new Set(scenarios.flatMap(({ applies }) => applies)));
  const scale = options.scale === 'short' ? 'short' : 'long';
  const wanted = scenarios.filter(
    ({ id, longOnly }) => (options.only?.includes(id) ?? true) && (scale === 'long' || longOnly !== true),
  );
  ensureBuilt();
  addPeers();
  let runs = 0;
  mkdirSync(dirname(options.results), { recursive: true });
  let failed = 0;
  for (let seed = Number(options.seed); seed < Number(options.seed) + Number(options.seeds); seed++) {
    for (const scenario of wanted) {
      for (const stack of scenario.applies.filter(
        (name: StackName) => hasStack(name) && (options.stack?.includes(name) ?? true),
      )) {
        runs++;
        if (!(await runOne(scenario, { stack, seed, scale }))) failed++;
      }
    }
  }
  await closeSharedServers();
  const rows = [options.results, ...options.merge].flatMap(readRows);
  if (!options['no-page']) writeFileSync(PAGE, withRuns(readFileSync(PAGE, 'utf8'), scenarios, rows));
  console.log(failed === 0 ? `All promises were kept, in ${runs} runs.` : `${failed} of ${runs} runs went wrong.`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
