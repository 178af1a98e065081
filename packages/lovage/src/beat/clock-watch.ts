// Notices that the wall clock was put back, by the one that never goes back.

/** Milliseconds by which it is put back before that counts. */
const PUT_BACK = 500;

export class ClockWatch {
  #before: { readonly wall: number; readonly steady: number } | undefined;

  /** Milliseconds by which the wall clock was put back since the last look; 0: it was not. */
  look(wall: number, steady: number): number {
    const before = this.#before;
    this.#before = { wall, steady };
    if (before === undefined) return 0;
    const back = steady - before.steady - (wall - before.wall);
    return back < PUT_BACK ? 0 : back;
  }
}
