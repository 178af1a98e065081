// How much a process computes: unlike the time on the clock, it does not grow when the machine is busy with something else.

/** Milliseconds of processor time that this process has used. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
