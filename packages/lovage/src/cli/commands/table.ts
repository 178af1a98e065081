// The table of all commands, in the order in which help lists them. Each is loaded when it is used: what the others need costs no start.
import type { Command } from '../define.ts';
import type { CommandName } from './names.ts';

/** A command that is not loaded: enough for help and for finding it. */
export interface CommandEntry {
  readonly name: CommandName;
  /** The same as the command's own; a test holds it. */
  readonly summary: string;
  load(): Promise<Command>;
}

export const commandTable: readonly CommandEntry[] = [
  { name: 'worker', summary: 'Run a worker.', load: async () => (await import('./worker.ts')).worker },
  {
    name: 'dev',
    summary: 'For development: worker and beat in one, started anew when a file of the application changes.',
    load: async () => (await import('./dev.ts')).dev,
  },
  {
    name: 'demo',
    summary: 'See it at work: one task for each text file of a folder, on an embedded broker that is gone afterwards.',
    load: async () => (await import('./demo.ts')).demo,
  },
  {
    name: 'multi',
    summary: 'Start, stop and restart several workers in the background.',
    load: async () => (await import('./multi.ts')).multi,
  },
  {
    name: 'beat',
    summary: 'Send periodic tasks when they are due. Any number may run; one of them leads.',
    load: async () => (await import('./beat.ts')).beat,
  },
  {
    name: 'schedule',
    summary: 'Periodic tasks: list, add, pause, resume, run, remove them, see when they are next.',
    load: async () => (await import('./schedule.ts')).schedule,
  },
  { name: 'call', summary: 'Send a task by name, known here or not.', load: async () => (await import('./call.ts')).call },
  { name: 'result', summary: 'Show the state and the result of a task.', load: async () => (await import('./result.ts')).result },
  {
    name: 'events',
    summary: 'Watch tasks and workers: live in the terminal, as lines, or by snapshots.',
    load: async () => (await import('./events.ts')).events,
  },
  {
    name: 'graph',
    summary: 'Draw a canvas, the bootsteps of a worker, or the workers that there are.',
    load: async () => (await import('./graph.ts')).graph,
  },
  {
    name: 'queues',
    summary:
      'Show how many messages wait, are held, are parked and are dead; pause queues, look into them, cancel or reschedule.',
    load: async () => (await import('./queues.ts')).queues,
  },
  {
    name: 'dlq',
    summary: 'Dead letters: list them, show them in full, send them again, delete them.',
    load: async () => (await import('./dlq.ts')).dlq,
  },
  {
    name: 'list',
    summary: 'List the bindings of the broker: which exchange leads to which queue.',
    load: async () => (await import('./list.ts')).list,
  },
  {
    name: 'migrate',
    summary: 'Bring waiting messages from one broker to another.',
    load: async () => (await import('./migrate.ts')).migrate,
  },
  {
    name: 'purge',
    summary: 'Delete all waiting messages of the queues. There is no way back.',
    load: async () => (await import('./purge.ts')).purge,
  },
  {
    name: 'amqp',
    summary: 'Speak to the broker by hand: declare, bind, publish, get, delete; a prompt, a pipe or one command.',
    load: async () => (await import('./amqp.ts')).amqp,
  },
  {
    name: 'shell',
    summary: 'JavaScript with the app, its tasks and the canvas at hand.',
    load: async () => (await import('./shell.ts')).shell,
  },
  {
    name: 'logtool',
    summary: 'Read worker logs: counts by task, failures, errors, tasks that never ended.',
    load: async () => (await import('./logtool.ts')).logtool,
  },
  {
    name: 'config',
    summary: 'Show settings, their values and where these come from; secrets are blotted out.',
    load: async () => (await import('./config.ts')).config,
  },
  {
    name: 'doctor',
    summary: 'Look at broker, result store, versions, clocks, rights and settings, and say what to change.',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'upgrade',
    summary: "Make Lovage's configuration from a Celery settings file, and say what could not be carried over.",
    load: async () => (await import('./upgrade.ts')).upgrade,
  },
  {
    name: 'report',
    summary: 'Print versions, addresses and changed settings, to be put into a report of a problem.',
    load: async () => (await import('./report.ts')).report,
  },
  {
    name: 'status',
    summary: 'Show which workers answer, whether broker and result backend do, and the queues.',
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'inspect',
    summary: 'Ask workers, of Lovage or Celery, what they do.',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  {
    name: 'control',
    summary: 'Tell workers, of Lovage or Celery, what to do.',
    load: async () => (await import('./control.ts')).control,
  },
];
