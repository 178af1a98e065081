// One line for each event, as `celery events --dump` prints them: people have scripts that read these.
import type { StreamEvent } from '../../event/index.ts';
import { saferepr, writeEvent } from '../../protocol/index.ts';
import { redactData } from '../../util/index.ts';
import { printable } from '../output.ts';

/** Tasks whose names are remembered for their later events. */
const MAX_NAMES = 4095;
const WORDS: Readonly<Record<string, string>> = {
  'worker-online': 'started',
  'worker-heartbeat': 'heartbeat',
  'worker-offline': 'shutdown',
};
const SHOWN_APART: ReadonlySet<string> = new Set(['hostname', 'timestamp', 'type', 'uuid', 'name', 'args', 'kwargs']);

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

  function taskText(wire: Readonly<Record<string, unknown>>): string {
    const { uuid, name, args, kwargs } = wire;
    if (typeof uuid !== 'string') return '';
    if (typeof name === 'string') {
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
    const rest = Object.entries(wire)
      .filter(([key]) => !SHOWN_APART.has(key) || (key === 'uuid' && type.startsWith('worker-')))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${text(value)}`)
      .join(', ');
    const about = taskText(wire);
    const head = `${String(wire.hostname)} [${moment(event.timestamp)}] ${WORDS[type] ?? type.replaceAll('-', ' ')}:`;
    return printable([head, about, rest].filter((part) => part !== '').join(' '));
  };
}
