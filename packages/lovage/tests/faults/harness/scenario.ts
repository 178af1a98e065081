// What a scenario is: data and a function, run by the short tests and by the runner of the long ones alike.

export const STACKS = [
  'memory',
  'sqlite',
  'redis',
  'redis-celery',
  'rabbitmq-classic',
  'rabbitmq-quorum',
  'celery-redis',
  'celery-rabbitmq',
  'bullmq',
] as const;

/** Broker, and who runs on it: Lovage, in its several modes, or a peer. */
export type StackName = (typeof STACKS)[number];

/** Those that are no Lovage: their rows are reported, not asserted. */
export const PEERS: ReadonlySet<StackName> = new Set(['celery-redis', 'celery-rabbitmq', 'bullmq']);

export interface ScenarioContext {
  readonly stack: StackName;
  readonly seed: number;
  /** `short`: leases of a second or two, small counts. `long`: as the table of the docs is made. */
  readonly scale: 'short' | 'long';
}

/** What was promised within a time. */
export interface Timed {
  /** As `taken over`. */
  readonly what: string;
  /** Infinity, of which JSON makes null: it never came. */
  readonly seconds: number | null;
  readonly promised: number;
  /** Seconds by which it may be late in a run for the table. @default 1.5 */
  readonly slack?: number;
}

export interface ScenarioResult {
  readonly lost: number;
  readonly doubled: number;
  readonly phantom: number;
  readonly doubleFinal: number;
  /** The most that may double: what workers held at the instants of the faults, and publishes in doubt that were sent again. */
  readonly inFlight: number;
  /** From the fault (or its end, where the broker itself was away) until what was held runs again. */
  readonly recoverySeconds: readonly number[];
  /** From the fault until somebody noticed. */
  readonly detectionSeconds?: number;
  /** Judged with some slack, as a machine whose cores are busy is late itself. @default none */
  readonly timed?: readonly Timed[];
  /** Whatever else broke the promise, in a sentence each; empty when it was kept. */
  readonly violations: readonly string[];
  readonly note?: string;
  /** Where the evidence lies. */
  readonly folder?: string;
}

export interface Scenario {
  readonly id: string;
  /** A row of the table. */
  readonly title: string;
  readonly applies: readonly StackName[];
  /** Takes too long for the short tests, whatever the scale. */
  readonly longOnly?: boolean;
  /**
   * Of the stacks, those on which the tests of every day run it: what differs little from broker to broker need not be seen on all of
   * them each time. `npm run test:faults` runs all. @default all that apply
   */
  readonly daily?: readonly StackName[];
  run(context: ScenarioContext): Promise<ScenarioResult>;
}

/** Seconds by which a run may be late that has its machine for itself. */
const SLACK = 1.5;
/** The same of one test among many: it shows that something comes at all and in its way, the runs of the table show how soon. */
export const CROWDED_SLACK = 10;

/** What came later than promised, as sentences. `crowded`: seconds of slack for all of it, whatever each has of its own. */
export function lateness({ timed = [] }: ScenarioResult, crowded?: number): readonly string[] {
  return timed.flatMap(({ what, seconds, promised, slack: own = SLACK }) => {
    const slack = crowded ?? own;
    if (seconds === null || seconds === Number.POSITIVE_INFINITY) return [`never ${what}, promised within ${promised} s`];
    return seconds > promised + slack ? [`${what} after ${seconds.toFixed(1)} s, promised were ${promised} s`] : [];
  });
}

/** What is wrong with a result: the promise of Lovage, in figures. A peer's row is only reported. */
export function brokenPromises(result: ScenarioResult, crowded?: number): readonly string[] {
  const wrong = [...result.violations, ...lateness(result, crowded)];
  if (result.lost > 0) wrong.push(`${result.lost} lost`);
  if (result.phantom > 0) wrong.push(`${result.phantom} ran that nobody sent`);
  if (result.doubleFinal > 0) wrong.push(`${result.doubleFinal} with two final states`);
  if (result.doubled > result.inFlight) wrong.push(`${result.doubled} ran again, ${result.inFlight} were in flight`);
  return wrong;
}
