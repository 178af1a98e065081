// Tasks that take their process along, one message after the other. One such message is a poison pill, and the delivery limit ends it;
// when several die in a row and none of that name comes to an end, it is the task (a bad deployment, a broken native module), and a
// thousand of them would keep every slot busy with dying. So the name is closed: its messages wait in the broker, untouched, and one at
// a time is tried, alone, ever more rarely. The first that comes to an end, in whatever way, or that lives much longer than those that
// died, opens the name again.
//
// A name:  open → closed until a time → trying one → closed for longer, or open.
import { type Clock, logger } from '../util/index.ts';

const log = logger('consumer');
/** Seconds until the first trial, and at most. */
const COOL = { first: 10, most: 300 };
/** Different messages that must have died: one or two are their own matter. */
const MESSAGES = 3;
/** Seconds after which those that wait for a trial ask again. */
const RECHECK = 10;
/** A trial is no death any more when it runs for so many times as long as the longest that died, and so many seconds. */
const SURVIVES = { times: 2, seconds: 5 };

export interface QuarantineOptions {
  /** Deaths in a row before a task is closed; null: never. */
  readonly after: number | null;
  /** A death takes only its slot along. Else messages of a task of which one died run alone until one comes to an end. */
  readonly isolated: boolean;
  readonly clock: Clock;
}

interface Name {
  /** In a row. */
  deaths: number;
  /** Keys of the first messages that died, as many as are asked for. */
  readonly dead: Set<string>;
  /** Seconds that it is closed after the next death. */
  cool: number;
  /** Epoch seconds; 0 while it is open. */
  until: number;
  /** Seconds that the longest of them ran. */
  longest: number;
  /** The message that is tried, and since when. */
  trial: { readonly key: string; readonly since: number } | undefined;
}

/** A task that is closed, for statistics. */
export interface Quarantined {
  readonly task: string;
  /** In a row. */
  readonly deaths: number;
  /** Epoch seconds of the next trial. */
  readonly until: number;
}

/** What a worker knows of its tasks' deaths. */
export class Quarantine {
  readonly #names = new Map<string, Name>();
  readonly #options: QuarantineOptions;

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  /** The slot of this message died after so many seconds. Is its task closed from now on? */
  died(task: string, key: string, seconds: number): boolean {
    const { after, clock } = this.#options;
    if (after === null) return false;
    const name = this.#names.get(task) ?? {
      deaths: 0,
      dead: new Set(),
      cool: COOL.first,
      until: 0,
      longest: 0,
      trial: undefined,
    };
    this.#names.set(task, name);
    name.deaths++;
    if (name.dead.size < MESSAGES) name.dead.add(key);
    name.longest = Math.max(name.longest, seconds);
    const isTrial = name.trial?.key === key;
    if (isTrial) name.trial = undefined;
    // Those that ran when it was closed tell nothing new.
    if (name.until > 0 ? !isTrial : name.deaths < after || name.dead.size < Math.min(after, MESSAGES)) return false;
    const isNew = name.until === 0;
    name.until = clock.now() + name.cool;
    log.error(
      'Task {task} is in quarantine: it ended its process {deaths} times in a row (setting quarantineAfter). One message is tried in {seconds} s; the others wait in the broker until one comes to an end.',
      { task, deaths: name.deaths, seconds: name.cool },
    );
    name.cool = Math.min(2 * name.cool, COOL.most);
    return isNew;
  }

  /** One of its messages came to an end without taking its process along. */
  lived(task: string): void {
    const name = this.#names.size === 0 ? undefined : this.#names.get(task);
    if (name === undefined) return;
    this.#names.delete(task);
    if (name.until > 0)
      log.warning('Task {task} is out of quarantine: one of its messages came to an end, or lives longer than those that died.', {
        task,
      });
  }

  /** It did neither: it was interrupted. */
  undecided(task: string, key: string): void {
    const name = this.#names.size === 0 ? undefined : this.#names.get(task);
    if (name?.trial?.key === key) name.trial = undefined;
  }

  /** Do its messages run alone? */
  watches(task: string): boolean {
    const name = this.#names.size === 0 ? undefined : this.#names.get(task);
    return name !== undefined && (name.until > 0 || !this.#options.isolated);
  }

  /** Epoch seconds until which a message has to wait that may not start now. */
  closedUntil(task: string): number | undefined {
    const name = this.#names.size === 0 ? undefined : this.#names.get(task);
    if (name === undefined || name.until === 0) return undefined;
    const { trial, longest, cool, until } = name;
    const now = this.#options.clock.now();
    if (trial === undefined) return now < until ? until : undefined;
    if (now - trial.since < SURVIVES.times * longest + SURVIVES.seconds) return now + Math.min(cool, RECHECK);
    this.lived(task);
    return undefined;
  }

  /** It starts: of a task that is closed, it is the one that is tried. */
  starts(task: string, key: string): void {
    const name = this.#names.size === 0 ? undefined : this.#names.get(task);
    if (name !== undefined && name.until > 0) name.trial = { key, since: this.#options.clock.now() };
  }

  /** Tasks that are closed now. */
  get closed(): readonly Quarantined[] {
    return [...this.#names].flatMap(([task, { deaths, until }]) => (until > 0 ? [{ task, deaths, until }] : []));
  }
}
