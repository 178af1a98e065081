// Is this process or thread a slot of a worker? It loads the modules of the app once more there, and whatever they do when they are loaded.

let state: 'none' | 'loading' | 'loaded' = 'none';

/** Said by the program of a slot before it loads anything of the app, and when that is done. */
export function tellSlot(now: 'loading' | 'loaded'): void {
  state = now;
}

/** True in the processes and threads of a pool. */
export function isSlot(): boolean {
  return state !== 'none';
}

/** Are modules of an app being loaded into a slot right now? */
export function isSlotLoading(): boolean {
  return state === 'loading';
}
