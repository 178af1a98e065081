// Runs the lines of the scenes as a person would, and writes down what is seen, with that made equal which differs from run to run:
// times, ids, process ids, the machine. scripts/cli-transcripts.ts keeps it; a test compares.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { LOVAGE, type Project, project } from '../program.ts';
import { FILES, type Line, SCENES, TEXTS } from './scenes.ts';

/** The text of a transcript by command. */
export type Transcripts = Readonly<Record<string, string>>;

export const transcriptsPath: string = join(import.meta.dirname, 'transcripts.txt');

/** Those that were kept. */
export function readTranscripts(): Transcripts {
  const parts = readFileSync(transcriptsPath, 'utf8')
    .split(/^## (\w+)\n/m)
    .slice(1);
  const names = parts.filter((_, index) => index % 2 === 0);
  return Object.fromEntries(names.map((name, index) => [name, (parts[2 * index + 1] ?? '').trimEnd()]));
}

export function writeTranscripts(transcripts: Transcripts): void {
  writeFileSync(
    transcriptsPath,
    Object.entries(transcripts)
      .map(([name, text]) => `## ${name}\n${text}\n`)
      .join('\n'),
  );
}

const PATIENCE_MS = 60_000;
const FOLDER = '/home/me/shop';
const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Makes equal what differs from run to run. Ids are counted, so that the same one is seen to be the same. */
function createNormalizer(folder: string): (text: string) => string {
  const ids = new Map<string, string>();
  const idOf = (id: string): string => {
    const known = ids.get(id) ?? `6f1d2a3c-58b4-4e0f-9a71-${String(ids.size + 1).padStart(12, '0')}`;
    ids.set(id, known);
    return known;
  };
  const rules: readonly (readonly [RegExp, string | ((found: string) => string)])[] = [
    [ID, idOf],
    [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)/g, '2026-11-23T18:00:42.123Z'],
    [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d([.,]\d+)?(\+00:00)?/g, '2026-11-23 18:00:42,123'],
    [/Linux-\S+ node-\S+/g, 'Linux-6.1.0 node-24.21.0'],
    [/\b\d+(\.\d+)? ms\b/g, '1.2 ms'],
    [/\bpid[ =:]+\d+/g, (found) => found.replace(/\d+/, '18234')],
    [/(?<= -> |, )\d+(?=[,.\n])/g, '18234'],
    [/(?<=-> 18234)\.+/g, '...'],
    [/\bclock=\d+/g, 'clock=42'],
    [/\bruntime=[\d.e-]+/g, 'runtime=0.0012'],
    [/\bin \d+\.\d+ s\b/g, 'in 0.12 s'],
    [/\blinux \S+ \w+$/gm, 'linux 6.1.0 x64'],
    [/\bnode \d[\d.]+|\bNode \d[\d.]+\d/g, (found) => found.replace(/\d.*/, '24.21.0')],
    [/lovage-cli-\w+-[0-9a-f]{8}/g, 'shop-21be4500'],
    // A user of its own need not be told.
    [/^note node: this runs as root.*\n.*\n/gm, ''],
  ];
  return (text) => {
    const plain = text.replaceAll(folder, FOLDER).replaceAll(hostname(), 'box');
    return rules.reduce((seen, [pattern, by]) => seen.replaceAll(pattern, by as string), plain);
  };
}

interface Ran {
  readonly text: string;
  readonly code: number | null;
}

class Stage implements AsyncDisposable {
  readonly #project: Project;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #running: ChildProcess[] = [];
  readonly normalize: (text: string) => string;

  constructor() {
    this.#project = project(FILES);
    const { folder } = this.#project;
    this.normalize = createNormalizer(folder);
    for (const name of ['bin', 'texts']) mkdirSync(join(folder, name));
    for (const [name, text] of Object.entries(TEXTS)) writeFileSync(join(folder, 'texts', name), text);
    const shim = join(folder, 'bin/lovage');
    writeFileSync(shim, `#!/bin/sh\nexec '${process.execPath}' '${LOVAGE}' "$@"\n`);
    chmodSync(shim, 0o755);
    const { PATH, HOME } = process.env;
    this.#environment = {
      PATH: `${join(folder, 'bin')}:${PATH}`,
      HOME,
      TZ: 'UTC',
      LANG: 'C.UTF-8',
      XDG_STATE_HOME: join(folder, 'state'),
    };
  }

  #spawn(line: string): { readonly child: ChildProcess; readonly text: () => string; wrote(words: string): Promise<void> } {
    const options = { cwd: this.#project.folder, env: this.#environment };
    const child = spawn('sh', ['-c', `exec 2>&1; ${line.startsWith('lovage') ? `exec ${line}` : line}`], {
      ...options,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#running.push(child);
    // A line that hangs ends, and is then seen to have ended wrongly.
    const limit = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    child.once('close', () => clearTimeout(limit));
    let text = '';
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => undefined);
    let wanted: string | undefined;
    const look = (): void => {
      if (wanted !== undefined && text.includes(wanted)) resolve();
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      look();
    });
    child.once('close', () => reject(new Error(`'${line}' ended:\n${text}`)));
    const wrote = (words: string): Promise<void> => {
      wanted = words;
      look();
      return promise;
    };
    return { child, text: () => text, wrote };
  }

  async #closed(child: ChildProcess): Promise<number | null> {
    if (child.exitCode !== null) return child.exitCode;
    return new Promise((done) => child.once('close', (code) => done(code)));
  }

  async run({ run, until, background, before, meanwhile }: Line): Promise<Ran> {
    if (before !== undefined) await this.run({ run: before });
    const { child, text, wrote } = this.#spawn(run);
    if (background !== undefined) {
      await wrote(background);
      const seen = text();
      return { text: seen, code: 0 };
    }
    const ended = this.#closed(child);
    if (meanwhile !== undefined) {
      await wrote('\n');
      await this.run({ run: meanwhile });
    }
    if (until !== undefined) {
      await wrote(until);
      child.kill('SIGTERM');
    }
    return { code: await ended, text: text() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) if (child.exitCode === null) child.kill('SIGTERM');
    await Promise.all(this.#running.map((child) => this.#closed(child)));
    this.#project[Symbol.dispose]();
  }
}

/** Runs everything. Resolves to what was seen. */
export async function record(): Promise<Transcripts> {
  await using stage = new Stage();
  const seen = new Map<string, string[]>();
  for (const { command, lines } of SCENES) {
    const texts = seen.get(command) ?? [];
    seen.set(command, texts);
    for (const line of lines) {
      const asked = typeof line === 'string' ? { run: line } : line;
      const { text, code } = await stage.run(asked);
      const words = stage
        .normalize(
          text
            .split('\n')
            .filter((words) => asked.omit?.test(words) !== true)
            .join('\n'),
        )
        .replaceAll(/[ \t]+$/gm, '')
        .trimEnd();
      texts.push(`$ ${asked.run}${words === '' ? '' : `\n${words}`}${code === 0 ? '' : `\n$ echo $?\n${code}`}`);
    }
  }
  return Object.fromEntries([...seen].map(([command, texts]) => [command, texts.join('\n')]));
}
