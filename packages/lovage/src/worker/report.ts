// USR1: what a worker does right now. Node shows no stacks of what waits, so this tells which tasks run and for how long, what waits
// here, how the line is, and what keeps the process busy.
import type { Worker } from './worker.ts';

const MAX_TASKS = 200;

/** One running task. */
interface RunningTask {
  readonly name: string;
  readonly id: string;
  /** Seconds since its start; undefined when no slot has begun it yet. */
  readonly age: number | undefined;
}

function tasksOf(worker: Worker): readonly RunningTask[] {
  const now = Date.now() / 1000;
  const running = [...(worker.host?.consumer?.flow.requests ?? [])].filter(({ state }) => state === 'running');
  return running
    .map(({ request, startedAt }) => ({
      name: request.task,
      id: request.id,
      age: startedAt === undefined ? undefined : now - startedAt,
    }))
    .sort((one, other) => (other.age ?? 0) - (one.age ?? 0));
}

/** Timers, sockets and files that are open, counted by kind. */
function resources(): string {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ') || 'none';
}

/** The report, as lines for people. */
export function reportRunning(worker: Worker): string {
  const tasks = tasksOf(worker);
  const consumer = worker.host?.consumer;
  const { rss, heapUsed } = process.memoryUsage();
  const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  const shown = tasks.slice(0, MAX_TASKS).map(({ name, id, age }) => {
    return `  ${age === undefined ? 'starting' : `${age.toFixed(1)} s`.padStart(8)}  ${name}[${id}]`;
  });
  return [
    `--- ${worker.hostname} pid ${process.pid} (${worker.state}) ---`,
    `${tasks.length} running${tasks.length === 0 ? '' : ', the oldest first:'}`,
    ...shown,
    ...(tasks.length > MAX_TASKS ? [`  and ${tasks.length - MAX_TASKS} more`] : []),
    `in hand: ${consumer?.flow.requests.size ?? 0}, line: ${consumer?.state ?? 'none'}, last message ${consumer?.silence?.toFixed(1) ?? '-'} s ago`,
    `memory: ${mebibytes(rss)} resident, ${mebibytes(heapUsed)} heap; open: ${resources()}`,
    '---',
  ].join('\n');
}
