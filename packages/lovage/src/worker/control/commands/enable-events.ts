import { type Command, ok } from '../seam.ts';

export const enableEvents: Command = {
  name: 'enable_events',
  help: 'Send events about tasks.',
  run: ({ host }) => {
    const { events } = host;
    if (events === undefined) return { error: 'event dispatcher unavailable' };
    return ok(events.enableTasks() ? 'task events enabled' : 'task events already enabled');
  },
};
