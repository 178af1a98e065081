// One run of one scenario: an open stack, a load, and the evidence. Scenarios are written with these few gestures.
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Final,
  inFlightAt,
  type Judgement,
  judge,
  type PublishLine,
  type RunLine,
  readPublished,
  readRuns,
} from './ledger.ts';
import { openLovageStack } from './lovage-stack.ts';
import { type Random, seededRandom } from './random.ts';
import { PEERS, type ScenarioContext, type ScenarioResult, type StackName } from './scenario.ts';
import type { OpenStack, OpensStack, StackOptions } from './stack.ts';

/** How often the result store is read, to see a final state that changes (ms), beside what it tells by itself. */
const LOOK_MS = 250;
const POLL_MS = 50;
/** Seconds in which results of what has ended are stored. */
const RESULT_SECONDS = 10;

/** Peers that are no Lovage; whoever writes their stack adds it here. */
const OTHERS = new Map<StackName, OpensStack>();

export function addStack(name: StackName, open: OpensStack): void {
  OTHERS.set(name, open);
}

/** Lovage's own stacks, and the peers that were added. */
export function hasStack(name: StackName): boolean {
  return !PEERS.has(name) || OTHERS.has(name);
}

export interface Allowance {
  /** May this task lie among the dead letters? @default none */
  readonly mayDie?: (id: string) => boolean;
  /** May the broker have forgotten this task and its result? @default none */
  readonly mayVanish?: (id: string) => boolean;
  /** May the broker have forgotten that this task ended, so that it runs once more and ends anew? @default none */
  readonly mayRepeat?: (id: string) => boolean;
  /** May this stay in the broker once all processes are gone? The words are those of `leftovers`. @default nothing */
  readonly mayStay?: (what: string) => boolean;
}

export interface Arena extends AsyncDisposable {
  readonly context: ScenarioContext;
  readonly stack: OpenStack;
  readonly random: Random;
  readonly isShort: boolean;
  runs(): readonly RunLine[];
  published(): readonly PublishLine[];
  /** Polls until it is true; throws with what was waited for. */
  until(what: string, seconds: number, isTrue: () => boolean | Promise<boolean>): Promise<void>;
  /** Until everything confirmed has finished or is explained, and the broker holds nothing; what is not by then is counted. */
  quiesce(seconds: number): Promise<void>;
  judgement(): Promise<Judgement>;
  /** The result, with whatever the scenario measured, and what it allows. Ends all processes of the run: it is the last to be called. */
  result(
    measured: Pick<ScenarioResult, 'inFlight' | 'recoverySeconds'> & Partial<ScenarioResult>,
    allowed?: Allowance,
  ): Promise<ScenarioResult>;
}

export async function openArena(context: ScenarioContext, options: StackOptions = {}): Promise<Arena> {
  const stack = await (OTHERS.get(context.stack) ?? openLovageStack)(context, options);
  const seen = new Map<string, Final>();
  const saw = (final: Final): void => void seen.set(`${final.id} ${final.state} ${final.by}`, final);
  const watching = await stack.watchFinals?.(saw);
  let looking: Promise<void> | undefined;

  const runs = (): readonly RunLine[] => readRuns(stack.folder);
  const published = (): readonly PublishLine[] => readPublished(stack.folder);

  async function look(): Promise<void> {
    const ids = [...new Set(runs().map(({ id }) => id))];
    if (ids.length === 0) return;
    for (const final of await stack.finals(ids)) saw(final);
  }

  const watch = setInterval(() => {
    // A store that is away is read later.
    looking ??= look()
      .catch(() => undefined)
      .finally(() => {
        looking = undefined;
      });
  }, LOOK_MS);

  async function until(what: string, seconds: number, isTrue: () => boolean | Promise<boolean>): Promise<void> {
    const limit = performance.now() + seconds * 1000;
    while (!(await isTrue())) {
      if (performance.now() > limit) throw new Error(`Not within ${seconds} s: ${what}. Ledger: ${stack.folder}`);
      await delay(POLL_MS);
    }
  }

  async function judgement(): Promise<Judgement> {
    await looking;
    await look().catch(() => undefined);
    return judge({ published: published(), runs: runs(), finals: [...seen.values()], explained: await stack.deadLetters() });
  }

  /** A task has its end in the ledger a moment before its result is stored. */
  async function settledJudgement(): Promise<Judgement> {
    const areStored = async (): Promise<boolean> => (await judgement()).withoutFinal.length === 0;
    await until('the results are stored', RESULT_SECONDS, areStored).catch(() => undefined);
    return judgement();
  }

  async function isQuiet(): Promise<boolean> {
    const done = new Set(runs().flatMap(({ what, id }) => (what === 'end' ? [id] : [])));
    const open = published().filter(({ mark, id }) => mark === 'ok' && !done.has(id));
    if (open.length > 0) {
      const explained = await stack.deadLetters().catch(() => new Map<string, string>());
      if (open.some(({ id }) => !explained.has(id))) return false;
    }
    if ((await stack.waiting().catch(() => 1)) > 0) return false;
    // A task ends a moment before its result is stored; not every peer stores results.
    await look().catch(() => undefined);
    const stored = new Set(Array.from(seen.values(), ({ id }) => id));
    return stored.size === 0 || [...done].every((id) => stored.has(id));
  }

  return {
    context,
    stack,
    random: seededRandom(context.seed),
    isShort: context.scale === 'short',
    runs,
    published,
    until,
    quiesce: (seconds) => until('quiet', seconds, isQuiet).catch(() => undefined),
    judgement,
    result: async (
      measured,
      { mayDie = () => false, mayVanish = () => false, mayRepeat = () => false, mayStay = () => false } = {},
    ) => {
      const { doubled, phantom, doubleFinal, stuck, finished, ...missing } = await settledJudgement();
      const repeated = repeatedIds(runs()).filter(mayRepeat).length;
      const violations = [...(measured.violations ?? [])];
      const lost = missing.lost.filter((id) => !mayVanish(id));
      const withoutFinal = missing.withoutFinal.filter((id) => !mayVanish(id));
      const vanished = missing.lost.length + missing.withoutFinal.length - lost.length - withoutFinal.length;
      if (withoutFinal.length > 0)
        violations.push(`${withoutFinal.length} finished without a stored result, as ${withoutFinal[0]}`);
      if (finished > 0 && seen.size === 0 && !PEERS.has(context.stack)) violations.push('no final state was seen of any task');
      if (stuck.length > 0) violations.push(`${stuck.length} were started and never ended, as ${stuck[0]}`);
      const dead = [...(await stack.deadLetters())].filter(([id]) => !mayDie(id));
      if (dead.length > 0) violations.push(`${dead.length} lie among the dead letters, as ${dead[0]?.join(': ')}`);
      const left = ((await stack.leftovers?.()) ?? []).filter((what) => !mayStay(what));
      if (left.length > 0) violations.push(`afterwards ${left.slice(0, 3).join(', ')}${left.length > 3 ? ' and more' : ''}`);
      return {
        lost: lost.length,
        doubled,
        phantom: phantom.length,
        doubleFinal: doubleFinal.filter((id) => !mayRepeat(id)).length,
        folder: stack.folder,
        ...measured,
        inFlight: measured.inFlight + repeated,
        ...(vanished === 0 ? {} : { note: `${vanished} tasks of the last moments before a death are forgotten` }),
        violations,
      };
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(watch);
      await looking;
      await watching?.[Symbol.asyncDispose]();
      await stack[Symbol.asyncDispose]();
    },
  };
}

/** Each start beyond a task's first. */
function repeatedIds(runs: readonly RunLine[]): readonly string[] {
  const seen = new Set<string>();
  const again: string[] = [];
  for (const { what, id } of runs) {
    if (what !== 'start') continue;
    if (seen.has(id)) again.push(id);
    seen.add(id);
  }
  return again;
}

/** Executions under way now, of all workers. */
export function inFlight(arena: Arena): number {
  return inFlightAt(arena.runs(), Date.now());
}
