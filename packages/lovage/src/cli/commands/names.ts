// The names of all commands, for who asks of no more.

/** In the order of the table. */
export const commandNames = [
  'worker',
  'dev',
  'demo',
  'multi',
  'beat',
  'schedule',
  'call',
  'result',
  'events',
  'graph',
  'queues',
  'dlq',
  'list',
  'migrate',
  'purge',
  'amqp',
  'shell',
  'logtool',
  'config',
  'doctor',
  'upgrade',
  'report',
  'status',
  'inspect',
  'control',
] as const;

export type CommandName = (typeof commandNames)[number];
