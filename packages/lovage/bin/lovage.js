#!/usr/bin/env node
// The `lovage` command. Plain JavaScript, so that an old Node gets one clear line instead of a syntax error, and CommonJS, as what a plain
// question loads is.
const [major, minor] = process.versions.node.split('.').map(Number);

/** Every command line. */
function program() {
  // What was compiled once is kept (NODE_DISABLE_COMPILE_CACHE=1 says no): a third of the start of a worker.
  process.getBuiltinModule('node:module').enableCompileCache();
  void import('../dist/cli/index.js').then((cli) => cli.program());
}

if (major < 22 || (major === 22 && minor < 22) || (major === 24 && minor < 15) || major === 23) {
  process.stderr.write(
    `Error: Lovage needs Node 22.22.3 or later (24.15 or later of the 24 line); this is ${process.version}.\n`,
  );
  process.exitCode = 1;
} else if (process.argv.length === 3 && (process.argv[2] === '--version' || process.argv[2] === '-V')) {
  // Asked by scripts at every step: nothing is loaded for it.
  const { readFileSync } = process.getBuiltinModule('node:fs');
  const { version } = JSON.parse(readFileSync(`${__dirname}/../package.json`, 'utf8'));
  process.stdout.once('error', ({ code, message }) => {
    // A reader that went away is no error of ours.
    if (code === 'EPIPE' || code === 'EIO') return;
    process.stderr.write(`Error: The output cannot be written: ${message}\n`);
    process.exitCode = 1;
  });
  process.stdout.write(`${version}\n`);
} else if (process.argv.includes('inspect') || process.argv.includes('control')) {
  // Ends the process where it can answer.
  void require('../dist/chunks/plain.cjs').plainly().then(program);
} else program();
