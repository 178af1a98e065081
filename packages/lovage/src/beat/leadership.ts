// Who of several beats leads. The leader renews its lease; the others watch, each by its own clock that never goes back, and take a lease
// over that did not change for long enough. No two clocks are compared, so that a clock that jumps changes nothing.
import { type Clock, logger } from '../util/index.ts';
import { isSameLease, type Lease, type ScheduleStore, type StoreLook } from './store.ts';

const log = logger('beat');

export interface LeadershipOptions {
  readonly store: ScheduleStore;
  readonly clock: Clock;
  /** Unique among all beats. */
  readonly owner: string;
  /** Seconds. */
  readonly lease: number;
}

/** Host and process; the rest only makes it unique. */
const shownOwner = ({ owner }: Lease): string => owner.split(':').slice(0, 2).join(':');

/** One beat's part in the leadership. */
export class Leadership {
  readonly #options: LeadershipOptions;
  #seen: { readonly lease: Lease; readonly since: number } | undefined;
  #token: number | undefined;
  /** When the last renewal that the store answered was asked for. */
  #renewedAt = 0;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  /** What all that this one writes carries; undefined while another leads. */
  get token(): number | undefined {
    return this.#token;
  }

  /** Can nobody else have taken the lease meanwhile, for all that this one knows? A process that stood still learns it here first. */
  get isFresh(): boolean {
    return this.#token !== undefined && this.#options.clock.monotonic() - this.#renewedAt < this.#options.lease * 1000;
  }

  /**
   * Renews the lease, or takes it when it is free or has not moved for too long. Answers the number of edits. `newTerm`: a leader goes on
   * under the next number, so that writes of which it does not know whether they are done are refused if they are not.
   */
  async step(newTerm = false): Promise<number> {
    const { store } = this.#options;
    const { lease, edits } = this.#token === undefined ? await store.look() : await this.#renew(newTerm);
    if (this.#token === undefined && this.#isFree(lease)) await this.#take(lease);
    return edits;
  }

  #see(lease: Lease): void {
    const { owner } = this.#options;
    if (this.#token === undefined && lease.owner !== '' && lease.owner !== owner && lease.owner !== this.#seen?.lease.owner)
      log.info('beat: {leader} leads (term {token}); this one stands by.', { leader: shownOwner(lease), token: lease.token });
    this.#seen = { lease, since: this.#options.clock.monotonic() };
  }

  #isFree(lease: Lease): boolean {
    if (this.#seen === undefined || !isSameLease(this.#seen.lease, lease)) this.#see(lease);
    const since = this.#seen?.since ?? 0;
    return lease.owner === '' || this.#options.clock.monotonic() - since >= this.#options.lease * 1000;
  }

  async #take(lease: Lease): Promise<void> {
    const { store, owner } = this.#options;
    const next: Lease = { token: lease.token + 1, owner, beat: 0 };
    const begun = this.#options.clock.monotonic();
    const answer = await store.swapLease(lease, next);
    this.#see(answer.lease);
    if (!answer.swapped) return;
    this.#token = next.token;
    this.#renewedAt = begun;
    log.info('beat: This one leads now (term {token}, {store}).', { token: next.token, store: store.url });
  }

  async #renew(newTerm: boolean): Promise<StoreLook> {
    const { store, owner, clock } = this.#options;
    const lease = this.#seen?.lease ?? { token: this.#token ?? 0, owner, beat: 0 };
    const begun = clock.monotonic();
    const next = newTerm ? { token: lease.token + 1, owner, beat: 0 } : { ...lease, beat: lease.beat + 1 };
    const answer = await store.swapLease(lease, next);
    // Also when an answer got lost on its way: then the lease has moved, and is still ours.
    if (answer.lease.owner === owner) {
      this.#token = answer.lease.token;
      this.#renewedAt = begun;
    } else this.lose();
    this.#see(answer.lease);
    return answer;
  }

  /** Another one leads, as something showed. */
  lose(): void {
    if (this.#token === undefined) return;
    this.#token = undefined;
    log.warning('beat: Another one leads now; this one stands by.');
  }

  /** Frees the lease, so that another need not wait for its end. */
  async resign(): Promise<void> {
    const lease = this.#seen?.lease;
    if (this.#token === undefined || lease === undefined) return;
    this.#token = undefined;
    await this.#options.store.swapLease(lease, { ...lease, owner: '' });
  }
}
