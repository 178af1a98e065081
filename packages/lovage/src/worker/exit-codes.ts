// What the exit code of a worker says of its tasks: whoever started it may start it again, look at its log, or go on.

/** Exit codes of a worker: 0, 1 and 3. A command line that is wrong gives 2, a broker that is away at the start 69. */
export const WORKER_EXIT = {
  /** Everything that ran came to its end, and what had not started went back. */
  clean: 0,
  /** An error ended it, or nobody waited for it to give back what it held: the broker does that, by lease or connection. */
  failure: 1,
  /** Running tasks were broken off and their messages given back, by a cold shutdown or at the end of `shutdownTimeout`; or the ends of some could not be written by then, so that they run again. */
  interrupted: 3,
} as const;
