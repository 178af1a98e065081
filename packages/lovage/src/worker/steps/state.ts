// The step that keeps a state file: what is revoked and the logical clock, over restarts. For brokers whose result store keeps no revokes.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Kept } from '../../consumer/index.ts';
import { isRecord } from '../../protocol/index.ts';
import { after, ConfigurationError, logger, type Timer } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';
import { nodeFormat } from '../node-name.ts';

const log = logger('worker');
const VERSION = 1;
/** Seconds after a change in which it is written: many come together. */
const SOON = 1;

interface State {
  readonly ids: readonly (readonly [id: string, until: number, own: boolean])[];
  readonly stamps: readonly (readonly [header: string, value: string, until: number, own: boolean])[];
  readonly clock: number;
}

/** Undefined: nothing usable is there. */
function read(path: string): State | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ConfigurationError(`The state file '${path}' cannot be read: ${(error as Error).message}.`, { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const pairs = (list: unknown, length: number): readonly (readonly unknown[])[] =>
    Array.isArray(list) ? list.filter((item): item is unknown[] => Array.isArray(item) && item.length >= length) : [];
  if (!isRecord(value) || value.version !== VERSION) {
    throw new ConfigurationError(
      `'${path}' is no state file of this version of Lovage, and is not written over. Name another one (--statedb, setting workerStateDb); Celery's state files cannot be read.`,
    );
  }
  return {
    ids: pairs(value.ids, 2).map(([id, until, own]) => [String(id), Number(until), own === true] as const),
    stamps: pairs(value.stamps, 3).map(
      ([header, stamp, until, own]) => [String(header), String(stamp), Number(until), own === true] as const,
    ),
    clock: Number(value.clock) || 0,
  };
}

/** The mark of what is for this worker alone stands where it is needed only. */
const marks = ({ until, own }: Kept): readonly unknown[] => (own ? [until, true] : [until]);

/** Whole or not at all: a worker that dies meanwhile leaves the old one. */
function write(path: string, { revoked, parts }: WorkerHost): void {
  const state = {
    version: VERSION,
    ids: revoked.idEntries().map(([id, kept]) => [id, ...marks(kept)]),
    stamps: revoked.stampEntries().map(([{ header, value }, kept]) => [header, value, ...marks(kept)]),
    clock: parts.control.clock.value,
  };
  writeFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export const stateStep: Bootstep<WorkerHost> = {
  name: 'state',
  enabled: ({ options }) => options.stateDb !== undefined,
  start: async (host) => {
    const path = nodeFormat(host.options.stateDb ?? '', host.hostname);
    const state = read(path);
    for (const [id, until, own] of state?.ids ?? []) host.revoked.add(id, { until, own });
    for (const [header, value, until, own] of state?.stamps ?? []) host.revoked.addStamp({ header, value }, { until, own });
    if (state !== undefined) host.parts.control.clock.adjust(state.clock);
    // What nobody may write to is told now and not when something was revoked.
    try {
      mkdirSync(dirname(path), { recursive: true });
      write(path, host);
    } catch (error) {
      throw new ConfigurationError(`The state file '${path}' cannot be written: ${(error as Error).message}.`, { cause: error });
    }
    let timer: Timer | undefined;
    const save = (): void => {
      timer = undefined;
      try {
        write(path, host);
      } catch (error) {
        log.error('The state file {path} could not be written: {error}', { path, error: String(error) });
      }
    };
    host.stateChanged = () => {
      timer ??= after(SOON, save);
    };
    return {
      [Symbol.asyncDispose]: async () => {
        timer?.cancel();
        save();
      },
    };
  },
};
