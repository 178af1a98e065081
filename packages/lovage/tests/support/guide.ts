// Makes a folder of programs out of each guide: its first TypeScript block is tasks.ts, each other one a program that runs beside a
// worker. `console.log(…); // text` says what is printed there.
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../../../..');
const SRC = join(ROOT, 'packages/lovage/src');

/** The programs of one page. */
export interface Guide {
  readonly folder: string;
  /** A program that runs all others and prints, as JSON, what each printed. */
  readonly runner: string;
  /** By the name of the program. */
  readonly expected: Readonly<Record<string, string>>;
}

export interface UnpackedGuides extends Disposable {
  readonly folder: string;
  /** Arguments of Node that type-check all of them. */
  readonly compiler: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** By the name of the page. */
  readonly pages: ReadonlyMap<string, Guide>;
}

/** The pages whose examples run. */
export function guidePages(): readonly string[] {
  return globSync('guide-*.md', { cwd: join(ROOT, 'docs') }).sort();
}

function expectedOf(code: string): string {
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text).join('\n');
}

const RUNNER = `
import { readdirSync } from 'node:fs';
import { formatWithOptions } from 'node:util';
import { startWorker } from '${SRC}/worker/index.ts';
import { app } from './tasks.ts';

await using worker = await startWorker(app, WORKER);
const printed = {};
for (const name of readdirSync(import.meta.dirname).filter((file) => file.startsWith('example')).sort()) {
  const lines = [];
  console.log = (...values) => lines.push(formatWithOptions({ colors: false }, ...values));
  await import('./' + name);
  printed[name] = lines.join('\\n');
}
await worker[Symbol.asyncDispose]();
await app.close();
process.stdout.write(JSON.stringify(printed));
`;

/** `worker`: the options of the worker, as code. */
function unpackGuide(page: string, folder: string, worker: string): Guide {
  const text = readFileSync(join(ROOT, 'docs', page), 'utf8');
  const [tasks, ...programs] = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string);
  mkdirSync(folder);
  const write = (name: string, content: string): void => writeFileSync(join(folder, name), content);
  const local = (code: string): string =>
    code
      .replaceAll("from 'lovage'", `from '${SRC}/index.ts'`)
      .replaceAll("from 'lovage/beat'", `from '${SRC}/beat/index.ts'`)
      .replaceAll("from 'lovage/worker'", `from '${SRC}/worker/index.ts'`);
  write('package.json', '{ "type": "module", "private": true }');
  write('package-lock.json', '{}');
  write('tasks.ts', local(tasks ?? ''));
  write('runner.mjs', RUNNER.replace('WORKER', worker));
  const names = programs.map((_, index) => `example-${String(index + 1).padStart(2, '0')}.ts`);
  for (const [index, code] of programs.entries()) write(names[index] ?? '', `${local(code)}\nexport {};\n`);
  return {
    folder,
    runner: join(folder, 'runner.mjs'),
    expected: Object.fromEntries(programs.map((code, index) => [names[index] ?? '', expectedOf(code)])),
  };
}

/** All pages under one folder. `workers`: the options of the worker beside a page, as code, by its name. */
export function unpackGuides(pages: readonly string[], workers: Readonly<Record<string, string>>): UnpackedGuides {
  const folder = mkdtempSync(join(tmpdir(), 'lovage-guides-'));
  const unpack = (page: string): Guide =>
    unpackGuide(page, join(folder, page.replace(/\.md$/, '')), workers[page] ?? '{ concurrency: 10 }');
  const compilerOptions = {
    noEmit: true,
    rewriteRelativeImportExtensions: false,
    allowImportingTsExtensions: true,
    isolatedDeclarations: false,
    declaration: false,
    typeRoots: [join(ROOT, 'node_modules/@types')],
  };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: join(ROOT, 'packages/lovage/tsconfig.json'), compilerOptions, include: ['*/*.ts'] }),
  );
  const { LOVAGE_BROKER_URL: _, ...environment } = process.env;
  return {
    folder,
    compiler: [join(ROOT, 'node_modules/ts7/bin/tsc'), '-p', folder],
    environment,
    pages: new Map(pages.map((page) => [page, unpack(page)])),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
