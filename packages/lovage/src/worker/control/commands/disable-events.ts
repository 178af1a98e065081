import { type Command, ok } from '../seam.ts';

export const disableEvents: Command = {
  name: 'disable_events',
  help: 'Send no more events about tasks.',
  run: ({ host }) => {
    const { events } = host;
    if (events === undefined) return { error: 'event dispatcher unavailable' };
    return ok(events.disableTasks() ? 'task events disabled' : 'task events already disabled');
  },
};
