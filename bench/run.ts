// `npm run bench`: every row, or those of `--only`, its peers one after the other in turn, round by round. Prints the table; `--write` puts
// the rows into the docs, where rows of other runs stay.
import { parseArgs } from 'node:util';
import type { Peer } from './lib/measure.ts';
import { Places } from './lib/place.ts';
import { type Spread, spread } from './lib/stats.ts';
import { type Outcome, table, writePage } from './page.ts';
import { ROWS, type Row } from './rows.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    peers: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
if (values.write && values.peers !== '') throw new Error('--write wants whole rows: leave out --peers.');
const named = (list: string, name: string): boolean => list === '' || list.split(';').some((part) => name.startsWith(part));

/** A name that means nothing would measure nothing, and say nothing. */
function check(option: string, list: string, names: readonly string[]): void {
  const known = [...new Set(names)].join(', ');
  for (const part of list === '' ? [] : list.split(';')) {
    if (part !== '' && names.some((name) => name.startsWith(part))) continue;
    process.stderr.write(`${option} names '${part}', which nothing begins with. Known are: ${known}\n`);
    process.exit(2);
  }
}

check(
  '--only',
  values.only,
  ROWS.map(({ id }) => id),
);
const rows = ROWS.filter(({ id }) => named(values.only, id));
check(
  '--peers',
  values.peers,
  rows.flatMap(({ peers }) => peers.map(({ name }) => name)),
);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error(`--rounds is a whole number above 0, not '${values.rounds}'.`);

async function measureRow(row: Row, places: Places): Promise<Outcome> {
  const peers = row.peers.filter((peer) => named(values.peers, peer.name));
  const figures = new Map<Peer, number[]>(peers.map((peer) => [peer, []]));
  const costs = new Map<Peer, number[]>(peers.map((peer) => [peer, []]));
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) {
      // A peer that gets stuck costs its own figure, not the run.
      const answer = await row.measure(peer, places).catch((error: unknown) => {
        process.stderr.write(`${row.id} ${peer.name}: ${String(error)}\n`);
        return undefined;
      });
      if (answer === undefined) continue;
      figures.get(peer)?.push(answer[row.unit] ?? Number.NaN);
      if (answer.cpuMicros !== undefined) costs.get(peer)?.push(answer.cpuMicros);
      process.stderr.write(`${row.id} ${peer.name}: ${JSON.stringify(answer)}\n`);
    }
  }
  const spreads = (of: ReadonlyMap<Peer, number[]>): Map<string, Spread> =>
    new Map([...of].filter(([, list]) => list.length > 0).map(([peer, list]) => [peer.name, spread(list)]));
  return { row, figures: spreads(figures), costs: spreads(costs), rounds };
}

await using places = new Places();
const outcomes: Outcome[] = [];
for (const row of rows) {
  const outcome = await measureRow(row, places);
  outcomes.push(outcome);
  // Row by row, so that an end halfway costs no row that was measured.
  if (values.write) writePage([outcome]);
}
console.log(table(outcomes));
