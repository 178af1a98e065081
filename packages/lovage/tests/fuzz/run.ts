// `npm run test:fuzz -- [--seconds 60] [--seed 1] [--only name]`: breaks input for each parser for that long, and looks at its memory.

import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fuzz } from './fuzz.ts';
import { targets } from './targets.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000_000}` },
    only: { type: 'string', default: '' },
  },
});
const ROUND = 500;
/** What a parser may keep, in bytes: caches have bounds. */
const MAX_GROWTH = 64 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heap = (): number => {
  collect();
  return process.memoryUsage().heapUsed;
};

let failed = false;
for (const target of targets.filter(({ name }) => name.includes(options.only))) {
  const until = performance.now() + Number(options.seconds) * 1000;
  let seed = Number(options.seed);
  const defects = [...fuzz(target, { seed, count: ROUND, slow: 2000 }).defects];
  const before = heap();
  while (performance.now() < until && defects.length === 0) {
    seed += ROUND;
    defects.push(...fuzz(target, { seed, count: ROUND, slow: 2000 }).defects);
  }
  const grown = heap() - before;
  if (grown > MAX_GROWTH) defects.push(`${target.name}: holds ${(grown / 1024 / 1024).toFixed(0)} MiB more than at the start`);
  failed ||= defects.length > 0;
  const inputs = seed + ROUND - Number(options.seed);
  console.log(`${defects.length === 0 ? 'ok   ' : 'WRONG'} ${target.name}: ${inputs} inputs from seed ${options.seed}`);
  for (const defect of defects) console.log(`      ${defect}`);
}
process.exitCode = failed ? 1 : 0;
