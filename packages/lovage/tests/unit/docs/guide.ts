// Makes a folder of programs out of a page: its first TypeScript block is tasks.ts, each other one a program that runs beside a worker.
// `console.log(…); // text` says what is printed there.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../../../../..');
const SRC = join(ROOT, 'packages/lovage/src');

export interface Guide extends Disposable {
  readonly folder: string;
  /** Arguments of Node that type-check the folder. */
  readonly compiler: readonly string[];
  /** A program that runs all others and prints, as JSON, what each printed. */
  readonly runner: string;
  readonly environment: NodeJS.ProcessEnv;
  /** By the name of the program. */
  readonly expected: Readonly<Record<string, string>>;
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
export function unpackGuide(page: string, worker = '{ concurrency: 10 }'): Guide {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const [tasks, ...programs] = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string);
  const folder = mkdtempSync(join(tmpdir(), 'lovage-guide-'));
  const write = (name: string, content: string): void => writeFileSync(join(folder, name), content);
  const local = (code: string): string =>
    code
      .replaceAll("from 'lovage'", `from '${SRC}/index.ts'`)
      .replaceAll("from 'lovage/worker'", `from '${SRC}/worker/index.ts'`);
  write('package.json', '{ "type": "module", "private": true }');
  write('package-lock.json', '{}');
  write('tasks.ts', local(tasks ?? ''));
  write('runner.mjs', RUNNER.replace('WORKER', worker));
  const names = programs.map((_, index) => `example-${String(index + 1).padStart(2, '0')}.ts`);
  for (const [index, code] of programs.entries()) write(names[index] ?? '', `${local(code)}\nexport {};\n`);
  const compilerOptions = {
    noEmit: true,
    rewriteRelativeImportExtensions: false,
    allowImportingTsExtensions: true,
    isolatedDeclarations: false,
    declaration: false,
    typeRoots: [join(ROOT, 'node_modules/@types')],
  };
  write(
    'tsconfig.json',
    JSON.stringify({ extends: join(ROOT, 'packages/lovage/tsconfig.json'), compilerOptions, include: ['*.ts'] }),
  );
  const { LOVAGE_BROKER_URL: _, ...environment } = process.env;
  return {
    folder,
    compiler: [join(ROOT, 'node_modules/ts7/bin/tsc'), '-p', folder],
    runner: join(folder, 'runner.mjs'),
    environment,
    expected: Object.fromEntries(programs.map((code, index) => [names[index] ?? '', expectedOf(code)])),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
