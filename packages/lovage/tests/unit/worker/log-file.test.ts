// Log files of workers.
import { EventEmitter } from 'node:events';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { reset } from '@logtape/logtape';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';
import { ConfigurationError, uuid } from '../../../src/util/index.ts';
import { runWorkerProgram, type SignalSource } from '../../../src/worker/index.ts';
import { openLogFile } from '../../../src/worker/log-file.ts';
import { testFolder } from '../../support/folder.ts';
import { soon } from '../../support/worker-app.ts';

afterEach(() => reset());

describe('a log file', () => {
  it('is made with its folder, and opened anew when it was moved or removed', async () => {
    const folder = testFolder('log');
    const path = join(folder, 'log/worker.log');
    using file = openLogFile(path);
    file.write('one\n');
    file.write('two\n');
    await nextTurn();
    renameSync(path, `${path}.1`);
    file.write('three\n');
    await nextTurn();
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\ntwo\n');
    expect(readFileSync(path, 'utf8')).toBe('three\n');
  });

  it('loses nothing when it is closed in the same turn', () => {
    const folder = testFolder('log');
    const path = join(folder, 'worker.log');
    {
      using file = openLogFile(path);
      file.write('last\n');
    }
    expect(readFileSync(path, 'utf8')).toBe('last\n');
  });

  it('that cannot be opened is a mistake of the configuration', () => {
    expect(() => openLogFile('/dev/null/worker.log')).toThrow(ConfigurationError);
  });
});

describe('a worker program', () => {
  it.each(['option', 'setting'])('writes to the file of the %s, named after its node', async (where) => {
    const folder = testFolder('log');
    const name = join(folder, '%n-%h%I.log');
    const memory = `memory://${uuid()}`;
    const settings = { brokerUrl: memory, resultBackend: memory, ...(where === 'setting' ? { workerLogfile: name } : {}) };
    await using app = new Lovage('shop', settings, { environment: {} });
    const ready = vi.fn();
    app.signals.on('workerReady', ready);
    const source = new EventEmitter();
    const exit = runWorkerProgram(app, {
      banner: false,
      hostname: 'w1@box',
      logging: { level: 'INFO', file: where === 'option' ? name : undefined, color: true },
      signals: { source: source as unknown as SignalSource },
    });
    await soon(() => expect(ready).toHaveBeenCalled());
    source.emit('SIGTERM', 'SIGTERM');
    await exit;
    const path = join(folder, 'w1-box.log');
    expect(existsSync(path)).toBe(true);
    // Colours are for terminals.
    expect(readFileSync(path, 'utf8')).toMatch(/^\[\d{4}-.*INFO\/MainProcess\] w1@box ready\.$/m);
    expect(readFileSync(path, 'utf8')).not.toContain('\u001b');
  });
});
