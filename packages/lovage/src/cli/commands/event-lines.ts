// One line for each event, as `celery events --dump` prints them: people have scripts that read these.
import type { StreamEvent } from '../../event/index.ts';
import { eventGroup, saferepr, writeEvent } from '../../protocol/index.ts';
import { redactData } from '../../util/index.ts';
import { printable } from '../output.ts';

/** Tasks whose names are remembered for their later events. */
const MAX_NAMES = 4095;
const WORDS: ReadonlyMap<string, string> = new Map([
  ['worker-online', 'started'],
  ['worker-heartbeat', 'heartbeat'],
  ['worker-offline', 'shutdown'],
]);
const ENVELOPE = ['hostname', 'timestamp', 'type'];
/** What stands before all other fields: of every event, of one about a task, and of one that says what the task is. */
const ALL_APART: ReadonlySet<string> = new Set(ENVELOPE);
const TASK_APART: ReadonlySet<string> = new Set([...ENVELOPE, 'uuid']);
const CALL_APART: ReadonlySet<string> = new Set([...ENVELOPE, 'uuid', 'name', 'args', 'kwargs']);
/** Their names and arguments are those of the task; in an event of the user's own they are anything. */
const CALLS: ReadonlySet<string> = new Set(['task-sent', 'task-received']);

function apartIn(type: string): ReadonlySet<string> {
  if (CALLS.has(type)) return CALL_APART;
  return eventGroup(type) === 'task' ? TASK_APART : ALL_APART;
}

/** `2026-11-23 18:02:16.375000+00:00` */
function moment(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('T', ' ').replace('Z', '000+00:00');
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : saferepr(value);
}

/** Makes the lines of one dump. */
export function createDump(): (event: StreamEvent) => string {
  const names = new Map<string, string>();

  function taskText(type: string, wire: Readonly<Record<string, unknown>>): string {
    const { uuid, name, args, kwargs } = wire;
    if (typeof uuid !== 'string' || eventGroup(type) !== 'task') return '';
    if (typeof name === 'string' && CALLS.has(type)) {
      names.set(uuid, `${name}(${uuid}) args=${text(args)} kwargs=${text(kwargs)}`);
      if (names.size > MAX_NAMES) for (const oldest of names.keys()) return dropped(oldest, uuid);
    }
    return names.get(uuid) ?? uuid;
  }

  function dropped(oldest: string, uuid: string): string {
    names.delete(oldest);
    return names.get(uuid) ?? uuid;
  }

  return (event) => {
    if (event.type === 'gap') {
      return event.reason === 'reconnected'
        ? '-> Connected again; events of the time between are missing'
        : `-> ${event.dropped} events came faster than they could be printed, and were dropped`;
    }
    // Celery's workers send arguments as they are.
    const wire = redactData(writeEvent(event)) as ReturnType<typeof writeEvent>;
    const type = String(wire.type);
    const apart = apartIn(type);
    const rest = Object.entries(wire)
      .filter(([key]) => !apart.has(key))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${text(value)}`)
      .join(', ');
    const about = taskText(type, wire);
    const head = `${String(wire.hostname)} [${moment(event.timestamp)}] ${WORDS.get(type) ?? type.replaceAll('-', ' ')}:`;
    return printable([head, about, rest].filter((part) => part !== '').join(' '));
  };
}
