// A logical clock (Lamport): one for each app and process. What an event caused has a higher number than the event.

/** Counts events of this process, and never falls behind those that it heard of. */
export class LamportClock {
  #value = 0;

  get value(): number {
    return this.#value;
  }

  /** Before something is sent. */
  forward(): number {
    this.#value += 1;
    return this.#value;
  }

  /** After something came. */
  adjust(other: number): number {
    if (Number.isSafeInteger(other)) this.#value = Math.max(this.#value, other) + 1;
    else this.#value += 1;
    return this.#value;
  }
}
