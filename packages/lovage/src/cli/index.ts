// The command line. Comes in: argv and the environment. Goes out: lines on stdout and stderr, and an exit code. The only room that
// reads argv, installs signal handlers and ends the process.
export { program } from './program.ts';
