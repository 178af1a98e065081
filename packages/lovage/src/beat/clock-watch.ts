// Notices that the wall clock was put back, by the one that never goes back.

/** Milliseconds by which it is put back before that counts. */
const PUT_BACK = 500;

export class ClockWatch {
  /** By how much the wall clock was ahead of the steady one at most since the last look, milliseconds. */
  #furthest = Number.NEGATIVE_INFINITY;

  /** Whoever reckons by a time says so: a clock that goes ahead and back between two looks has left its mark in what was reckoned. */
  note(wall: number, steady: number): void {
    this.#furthest = Math.max(this.#furthest, wall - steady);
  }

  /** Milliseconds by which the wall clock was put back since the last look; 0: it was not. */
  look(wall: number, steady: number): number {
    const ahead = wall - steady;
    const back = this.#furthest - ahead;
    this.#furthest = ahead;
    return back < PUT_BACK ? 0 : back;
  }
}
