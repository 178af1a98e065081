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

/** What is wrong with a result: the promise of Lovage, in figures. A peer's row is only reported. */
export function brokenPromises(result: ScenarioResult): readonly string[] {
  const wrong = [...result.violations];
  if (result.lost > 0) wrong.push(`${result.lost} lost`);
  if (result.phantom > 0) wrong.push(`${result.phantom} ran that nobody sent`);
  if (result.doubleFinal > 0) wrong.push(`${result.doubleFinal} with two final states`);
  if (result.doubled > result.inFlight) wrong.push(`${result.doubled} ran again, ${result.inFlight} were in flight`);
  return wrong;
}
