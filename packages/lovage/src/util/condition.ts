// A wait for what has no event of its own: whoever changes something says so, and those who wait look again.
export class Condition {
  #change: PromiseWithResolvers<void> | undefined;

  /** Resolves when it holds. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      this.#change ??= Promise.withResolvers<void>();
      await this.#change.promise;
    }
  }

  /** Something may hold now. */
  changed(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }
}
