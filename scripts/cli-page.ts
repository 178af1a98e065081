// Writes docs/cli.md from the command line's own parsers; a unit test fails when the page is out of date. Run: node scripts/cli-page.ts
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { allCommands } from '../packages/lovage/src/cli/commands/index.ts';
import { environmentVariables } from '../packages/lovage/src/cli/environment.ts';
import { parse } from '../packages/lovage/src/cli/parse.ts';
import { readTranscripts } from '../packages/lovage/tests/support/cli/transcripts.ts';

export const cliPagePath: string = fileURLToPath(new URL('../docs/cli.md', import.meta.url));

const commands = await allCommands();
const transcripts = readTranscripts();

function help(...words: readonly string[]): string {
  const answer = parse([...words, '--help'], {}, { commands, colors: false, width: 120 });
  if (!('exitCode' in answer)) throw new Error('--help was not answered with help.');
  return ['```text', answer.stdout.replaceAll(/[ \t]+$/gm, '').trim(), '```'].join('\n');
}

/** What a page of options does not say. */
const NOTES: Readonly<Record<string, string>> = {
  worker: `Runs until a signal ends it; its exit code tells what became of its tasks (above). The banner goes to stdout, log lines to
stderr or to the file of \`-f\`. After \`--\`, \`key=value\` pairs set any setting of [settings.md](settings.md) for this worker; a leading dot
stands for \`worker\`, and \`(int)\`, \`(json)\` and the like say how a value is read: \`-- .concurrency=(int)4\`.

| signal | what a worker does |
| --- | --- |
| TERM, INT | warm shutdown: takes nothing more, gives back what has not started, waits for what runs (at most \`shutdownTimeout\`) |
| TERM or INT again, QUIT | cold shutdown: aborts what runs and gives it back, at once or after \`workerSoftShutdownTimeout\`; one more signal ends that wait |
| INT or QUIT once more | hard: ends now; the broker gives back what it held |
| HUP | a warm shutdown, then the same command in the same process. At a terminal, where HUP means that it was closed, and where Node cannot replace a process, it ends the worker |
| USR1 | prints on stderr which tasks run and for how long, the state of the line, memory and open handles |
| USR2 | with \`LOVAGE_RDBSIG=1\` (or \`CELERY_RDBSIG=1\`) in the environment: opens Node's debugger on loopback |

With \`REMAP_SIGTERM=SIGQUIT\` in the environment TERM does what QUIT does. As the first process of a
container (PID 1) it goes on as the child of a small shell, which waits for what its tasks left behind; \`LOVAGE_INIT=0\` says no to that.`,
  dev: `Runs \`worker -B\` with the broker of the app, which is the embedded one unless a setting or \`-b\` names another, so that web
programs beside it reach the same queues. TypeScript, JavaScript, JSON and \`.env\` files below the watched folders start it anew;
\`node_modules\`, \`dist\`, \`build\` and the like are left out. What runs then has 5 s to end, else it is given back and runs again. A worker
that cannot start waits for the next change. Ctrl-C ends it with all that it started. With \`--json\` its own events are lines of JSON on
stdout, and what the worker says is on stderr.`,
  multi: `NODES is a number (\`3\`: lovage1, lovage2, lovage3) or names (\`images films@box\`). An option with a colon is for some of them, by
number, range or name: \`-c:1-3 10\`, \`-Q:images,films a,b\`, \`--loglevel:2=DEBUG\`. In every value \`%n\` is the name before the \`@\`, \`%h\` the
whole name, \`%d\` the host; \`%i\` and \`%I\` are the slot's. After \`--\` come settings, for all. Of \`multi\` itself are \`--prefix\`,
\`--suffix\` (the host), \`--range-prefix\`. Pid files are all that it remembers; see [guide-workers.md](guide-workers.md#in-the-background).`,
  beat: `Runs until TERM, INT or QUIT ends it. Any number may run for one app: one leads, another takes its place when it stops or dies
(setting \`beatLease\`). \`lovage worker -B\` does the same inside of a worker. See [guide-beat.md](guide-beat.md).`,
  schedule: `What is changed here holds within a second in the beat that leads, wherever it runs. Entries of the settings and of the code can
be paused and run, not removed. \`run\` sends the task now, beside its schedule, and prints its id. A time that lies in the past is that of
a run that is overdue.`,
  call: `The task need not be known here: without an app, \`-b URL\` is enough. Arguments are JSON as it travels: integers of any size stay
exact, and \`{"__type__": "datetime", "__value__": "…"}\` is a date. Prints the task's id; with \`--wait\` its result instead. A task that
failed prints its type and message on stderr and exits with 1; so does a time-out, and the task goes on.`,
  result: `A task that failed or was revoked exits with 1. \`PENDING\` says that nothing is stored under this id: not finished, unknown, or
expired.`,
  queues: `\`ready\` waits for a worker, \`held\` is with one, \`parked\` waits for its time (eta, countdown), \`dead\` lies in the
queue's dead letters. What a broker cannot count, and a queue that does not exist, is a dash. From a paused queue no worker takes
anything, wherever and whenever it runs, until it is resumed. \`cancel\`, \`run\` and \`reschedule\` are not possible on RabbitMQ, which shows
nobody the inside of a queue; they exit with 1 when a task was not there any more. See [guide-queues.md](guide-queues.md).`,
  dlq: `A task that no worker can finish lies among the dead letters of its queue for 14 days. \`retry\` sends it to where it died, with a
delivery count that begins anew; \`purge\` asks first. Both take ids, or \`--task\` and \`--reason\` together, or \`--all\`. Killed in between, either
has done a part; run again, it does the rest, and what had been sent does not run twice (promise 8 of [reliability.md](reliability.md)).`,
  list: `The bindings of the queues of the app are declared first, as a worker does. Redis and the embedded broker tell all that anybody
bound; RabbitMQ tells them through its management plugin alone.`,
  migrate: `Copies, unless \`--ack-messages\` says to move. A copy leaves out what waits at the destination already, by task id. A move sends a
batch, of at most 100, and takes it out of the source when the destination has confirmed it: killed in between, the batch is in both, and the
same command, run again, does not send again what still waits at the destination; what a worker took there meanwhile can run twice. What
a killed run held is back within 2 s on the embedded broker, at once on RabbitMQ, and within the lease (30 s) on Redis. Messages stay as
they are; priorities are copied as numbers, of which Redis serves the lowest and RabbitMQ the highest first. What RabbitMQ keeps until its
time is not seen and stays. The exit code is 1 when it was stopped before its end.`,
  amqp: `The commands of Celery's, with its order of arguments; flags can be named (\`durable=no\`) and are on or off as shown by
\`lovage amqp help\`. RabbitMQ is spoken to in AMQP. Redis, the embedded broker and memory have queues and bindings only: exchanges live with
their bindings, \`if_unused\` and \`immediate\` are refused. What \`basic.get\` took without \`no_ack\` goes back to its queue at the
end. What destroys asks first; without a terminal it needs \`--force\`. The first error ends a pipe, not a prompt. With \`--json\` each
command prints one line.`,
  shell: `At a terminal a prompt of Node's, with history; from a pipe or \`--eval\` a program, whose last expression is printed. The names are
\`app\`, \`chain\`, \`group\`, \`chord\`, \`chunks\`, \`map\`, \`starmap\`, \`signature\`, \`explain\`, and each task under the last part of its name.
\`await\` works everywhere. The exit code is 1 when the program throws.`,
  logtool: `Reads what \`lovage worker\` and Celery's workers write with their usual formats, and \`--log-format json\`. Several files are one log,
in their order.`,
  config: `Without a name: what is not the default. Settings that have no effect here are named on stderr.`,
  doctor: `Redis: version, \`maxmemory-policy\`, room, persistence, role, clock. RabbitMQ: version, alarms, quorum queues, \`consumer_timeout\`,
which no client is told. Embedded: rights and owner of the file, its file system, room on the disk. Everywhere: Node, whether broker and
result store answer, versions of the workers, keys of signatures and who may read them, addresses without TLS, settings without effect.
\`ok\` and \`note\` are no defects. The exit code is 0 when nothing needs to be changed, 1 when something does, 69 when broker or
result store do not answer. Nothing is changed, and no task is sent.`,
  upgrade: `Reads the file and never runs it: assignments of literals (old and new names of Celery's, and Django's prefix \`CELERY_\`), sums and
products of them, names that the file gave before, and \`crontab\`, \`timedelta\`, \`schedule\`, \`solar\`, \`Queue\`, \`Exchange\`,
\`dict\`. Each other line that may matter is listed with its number and the reason. The Celery file stays as it is; what stood where is
written is kept beside it as \`.orig\`, \`.orig.1\` and so on. The exit code is 1 when something is left to be done by hand.`,
  purge: `Asks first. Without a terminal there is nobody to ask, so it needs \`--force\`. Waiting and parked messages go; what a worker
holds stays. \`--dead\` deletes the dead letters instead. Killed in between, it has deleted a part; run again, it deletes the rest.`,
  status: `Broker and result backend are asked at once, then all workers, Celery's too. The exit code is 69 when one of the two, or every
worker, does not answer in time, and 1 when one of the two refuses the login.`,
  inspect: `Questions go to all workers, Celery's too, and each answers for itself; a worker that is busy or gone is only missing. The exit
code is 69 when nobody answered, 1 when one answered with an error. Celery's names of commands hold; \`lovage inspect --list\` shows them, and
those of your app. [guide-control.md](guide-control.md) says what they do.`,
  control: `As \`inspect\`, for commands that change something. Workers refuse what the setting \`remoteControl\` does not allow.`,
};

const HEAD = `# The command line

<!-- Made from the parsers by \`node scripts/cli-page.ts\`; a test holds it. -->

${help()}

The app is found by \`-A\`, before or after the command: a path with or without its extension, a folder (its \`index\`, or else \`lovage\`, \`app\` or \`tasks\` in it), or a package, and after a colon the export.
[celery.md](celery.md) says what became of each command and option of Celery's.
Without \`-A\`, \`lovage\`, \`app\` and \`tasks\` are looked for here and in \`src\`. A mistake in a module of yours is told with the place in it.

With \`--json\` a command prints one line of JSON on stdout, and an error is \`{"error": …, "code": …}\` there: big integers are numbers,
bytes are base64. Colours follow the terminal, \`NO_COLOR\` and \`FORCE_COLOR\`. \`NODE_DEBUG=lovage\` adds the stack of an error.

Below the help of each command stands what it printed when it was run, on the embedded broker with one worker; a test runs it all and
compares. Times, ids and what is of the machine are made equal.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | done; a worker: everything that ran came to its end, what had not started was given back |
| 1 | failed: the task failed or gave no result in time, a question was answered with no, broker or result store refused the login, a worker ended by an error or hard |
| 2 | used wrongly: unknown command or option, bad value, an app that cannot be loaded, a wrong setting |
| 3 | a worker broke off running tasks and gave them back: a cold shutdown, or \`shutdownTimeout\` was over |
| 69 | nobody there: broker or result store cannot be reached, no worker answered |
| 73 | the pid file is held by a program that lives |

## Completion

\`\`\`sh
eval "$(lovage completion bash)"     # in ~/.bashrc; the same with zsh in ~/.zshrc
lovage completion fish | source      # in ~/.config/fish/config.fish
\`\`\`
`;

/** What was seen of a command when it was run. */
function session(name: string): readonly string[] {
  const text = transcripts[name];
  return text === undefined ? [] : ['', '```console', text, '```'];
}

/** The whole page. */
export function cliPage(): string {
  const sections = commands.map(({ name }) =>
    [`## ${name}`, '', help(name), '', NOTES[name] ?? '', ...session(name), ''].join('\n'),
  );
  const variables = environmentVariables(commands).map((variable) => `\`${variable}\``);
  const environment = [
    '## Environment',
    '',
    'Every option can come from the environment; the command line outranks it. A flag is `1` or `0`.',
    '',
    `${variables.join(', ')}.`,
    '',
  ];
  return [HEAD, ...sections, environment.join('\n')].join('\n');
}

if (import.meta.main) writeFileSync(cliPagePath, cliPage());
