// `lovage doctor`: looks at everything that a task needs, and says what to change.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import { option } from '@optique/core/primitives';
import { brokerOptions, brokerUrl, type Lovage, resultUrl, topologyOf } from '../../app/index.ts';
import { reasonOf, version } from '../../util/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { askEmbedded } from '../doctor/embedded.ts';
import { type Finding, Findings } from '../doctor/finding.ts';
import { askMachine, askSecurity, askSettings, judgeAddress } from '../doctor/local.ts';
import { askRabbit } from '../doctor/rabbit.ts';
import { askRedis } from '../doctor/redis.ts';
import { seconds } from '../options.ts';
import { type Output, printable, wrapped } from '../output.ts';
import { isRefusal, type Reachable, reach } from './reach.ts';

/** A check that itself fails is a finding. */
async function guarded(area: string, check: () => Promise<readonly Finding[]> | readonly Finding[]): Promise<readonly Finding[]> {
  try {
    return await check();
  } catch (error) {
    const findings = new Findings(area);
    findings.fail(`this could not be looked at: ${reasonOf(error)}`, 'See the reason.');
    return findings.list;
  }
}

async function within(area: string, part: () => Promise<Reachable>, patience: number, cure: string): Promise<readonly Finding[]> {
  const findings = new Findings(area);
  try {
    const opened = await part();
    const began = performance.now();
    await reach(opened, patience);
    findings.ok(`${opened.url} answers in ${(performance.now() - began).toFixed(1)} ms`);
  } catch (error) {
    findings[isRefusal(error) ? 'fail' : 'down'](`it cannot be used: ${reasonOf(error)}`, cure);
  }
  return findings.list;
}

/** What the server, or the file, is like. */
function server(app: Lovage, patience: number): Promise<readonly Finding[]> {
  const { settings } = app;
  const options = { ...brokerOptions(app.name, settings, 'write'), connectTimeout: patience };
  const { url, tls, transportOptions } = options;
  if (/^(redis|rediss|sentinel|redis\+socket):/i.test(url))
    return guarded('redis', () => askRedis({ url, tls, transportOptions, connectTimeout: patience, holds: 'messages' }));
  if (/^sqlite:/i.test(url))
    return guarded('embedded', () =>
      askEmbedded({ url, appName: app.name, transportOptions, isProduction: process.env.NODE_ENV === 'production' }),
    );
  if (/^(amqps?|pyamqp):/i.test(url)) {
    const { queues } = topologyOf(app.queueNames().map((name) => app.queues.get(name)));
    return guarded('rabbitmq', () => askRabbit({ options, queues, taskTimeLimit: settings.taskTimeLimit }));
  }
  return Promise.resolve([]);
}

/** The result store, where it is another Redis than the broker. */
function store(app: Lovage, patience: number): Promise<readonly Finding[]> {
  const url = resultUrl(app.settings);
  const isOther = url !== brokerUrl(app.settings, 'write');
  if (!isOther || !/^(redis|rediss):/i.test(url)) return Promise.resolve([]);
  const { redisBackendUseSsl, resultBackendTransportOptions: transportOptions } = app.settings;
  const tls = redisBackendUseSsl ?? undefined;
  return guarded('redis', () => askRedis({ url, tls, transportOptions, connectTimeout: patience, holds: 'results' }));
}

function addresses(app: Lovage): readonly Finding[] {
  const findings = new Findings('security');
  const { brokerUseSsl, redisBackendUseSsl } = app.settings;
  const [broker, results] = [brokerUrl(app.settings, 'write'), resultUrl(app.settings)];
  judgeAddress('broker', broker, brokerUseSsl !== false, findings);
  if (results !== broker) judgeAddress('result store', results, redisBackendUseSsl !== null, findings);
  return findings.list;
}

/** Which versions work beside each other. */
async function workers(app: Lovage): Promise<readonly Finding[]> {
  const findings = new Findings('workers');
  const replies = await app.control.ask('report', {}, { timeout: 1 });
  if (replies.length === 0) findings.note('no worker answers', 'Start one: lovage worker');
  const versions = replies.map(({ node, value }) => {
    const [, own] = /\blovage:(\S+)/.exec(JSON.stringify(value)) ?? [];
    return { node, own };
  });
  const older = versions.filter(({ own }) => own !== undefined && own !== version());
  const foreign = versions.filter(({ own }) => own === undefined);
  if (older.length > 0)
    findings.warn(
      `these workers run another version than this one (${version()}): ${older.map(({ node, own }) => `${node} ${own}`).join(', ')}`,
      'Bring all to one version, workers first.',
    );
  else if (versions.length > foreign.length) findings.ok(`${versions.length - foreign.length} of version ${version()}`);
  if (foreign.length > 0) findings.ok(`of Celery: ${foreign.map(({ node }) => node).join(', ')}`);
  return findings.list;
}

const COLORS = { ok: 'green', note: 'dim', warn: 'yellow', fail: 'red', down: 'red' } as const;

function linesOf(findings: readonly Finding[], out: Output): readonly string[] {
  const blank = ' '.repeat(5);
  return findings.flatMap(({ area, level, text, cure }) => {
    const body = wrapped(printable(`${area}: ${text}.`), blank);
    const head = `${out.style(COLORS[level], level.padEnd(4))} ${(body[0] ?? '').trimStart()}`;
    const remedy = cure === undefined ? [] : wrapped(printable(`→ ${cure}`), `${blank}  `);
    return [head, ...body.slice(1), ...remedy];
  });
}

export const doctor: Command = defineCommand({
  name: 'doctor',
  summary: 'Look at broker, result store, versions, clocks, rights and settings, and say what to change.',
  examples: [
    'lovage -A tasks.ts doctor',
    'lovage -b redis://localhost doctor --json',
    'lovage -A tasks.ts doctor --quiet && deploy',
  ],
  parser: object({
    timeout: optional(option('-t', '--timeout', seconds(), { description: message`How long broker and result store may take.` })),
  }),
  run: async ({ timeout }, { loadApp, out }) => {
    const app = await loadApp();
    const patience = timeout ?? app.settings.brokerConnectionTimeout;
    const cure = (what: string): string => `Start it, or name another one: ${what}.`;
    const [broker, results] = await Promise.all([
      within('broker', () => app.openBroker('read'), patience, cure('-b, LOVAGE_BROKER_URL, brokerUrl')),
      within('results', () => app.openBackend(), patience, cure('--result-backend, LOVAGE_RESULT_BACKEND, resultBackend')),
    ]);
    const isUp = broker.every(({ level }) => level === 'ok');
    const deeper = isUp ? await Promise.all([server(app, patience), guarded('workers', () => workers(app))]) : [];
    const other = results.every(({ level }) => level === 'ok') ? await store(app, patience) : [];
    const local = [await guarded('security', () => askSecurity(app)), addresses(app), askSettings(app)];
    const findings = [...askMachine(), ...broker, ...results, ...deeper.flat(), ...other, ...local.flat()];
    const count = (level: Finding['level']): number => findings.filter((finding) => finding.level === level).length;
    const counts = { ok: count('ok'), note: count('note'), warn: count('warn'), fail: count('fail'), down: count('down') };
    const bad = counts.warn + counts.fail + counts.down;
    const shown = out.quiet ? findings.filter(({ level }) => level !== 'ok' && level !== 'note') : findings;
    const verdict = bad === 0 ? 'Nothing needs to be changed.' : `${bad} thing${bad === 1 ? '' : 's'} to change.`;
    out.answer({ ok: bad === 0, counts, findings }, [...linesOf(shown, out), ...(out.quiet ? [] : ['', verdict])]);
    if (counts.down > 0) return EXIT.unavailable;
    return bad > 0 ? EXIT.failure : EXIT.ok;
  },
});
