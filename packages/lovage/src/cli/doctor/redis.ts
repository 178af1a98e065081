// A Redis that holds messages or results: does it keep them, does it drop some when it is full, and does its clock agree with ours?
import { openRedis, parseRedisUrl } from '../../util/index.ts';
import { type Finding, Findings } from './finding.ts';

/** Of CLIENT TRACKING, by which an idle worker waits for several lists. */
const OLDEST = 6;
/** Seconds that clocks may differ: due times and leases are compared across machines. */
const CLOCK_WARN = 1;
const CLOCK_FAIL = 30;
const FULL = 0.9;

export interface RedisQuestion {
  readonly url: string;
  readonly tls: boolean | Readonly<Record<string, unknown>> | undefined;
  readonly transportOptions: Readonly<Record<string, unknown>>;
  readonly connectTimeout: number;
  /** What it holds, in words. */
  readonly holds: string;
}

type Facts = ReadonlyMap<string, string>;

function factsOf(info: string): Facts {
  const pairs = info.split(/\r?\n/).flatMap((line) => {
    const at = line.indexOf(':');
    return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : [];
  });
  return new Map(pairs);
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

export async function askRedis({
  url,
  tls,
  transportOptions,
  connectTimeout,
  holds,
}: RedisQuestion): Promise<readonly Finding[]> {
  const masterName = text(transportOptions.masterName ?? transportOptions.master_name);
  const target = parseRedisUrl(url, { tls, ...(masterName === undefined ? {} : { masterName }) });
  await using line = openRedis({ target, connectTimeout, replyTimeout: connectTimeout, name: 'lovage:doctor' });
  const began = Date.now();
  const reply = await line.call('TIME', []);
  const ended = Date.now();
  const facts = factsOf(String(await line.call('INFO', [])));
  const findings = new Findings('redis');
  judgeVersion(facts, findings);
  judgeMemory(facts, findings, holds);
  judgeDisk(facts, findings, holds);
  judgeRole(facts, findings);
  judgeClock(Array.isArray(reply) ? (reply as readonly unknown[]) : [], (began + ended) / 2, findings);
  return findings.list;
}

export function judgeVersion(facts: Facts, findings: Findings): void {
  const version = facts.get('redis_version') ?? 'unknown';
  if (Number.parseInt(version, 10) >= OLDEST) findings.ok(`version ${version}`);
  else
    findings.warn(
      `version ${version} has no CLIENT TRACKING: a worker with several queues looks once a second`,
      `Upgrade to Redis ${OLDEST} or later.`,
    );
}

export function judgeMemory(facts: Facts, findings: Findings, holds: string): void {
  const policy = facts.get('maxmemory_policy') ?? 'unknown';
  const [most, used] = [Number(facts.get('maxmemory') ?? 0), Number(facts.get('used_memory') ?? 0)];
  if (policy === 'noeviction') findings.ok('maxmemory-policy noeviction: nothing is dropped when it is full');
  else
    findings.fail(
      `maxmemory-policy ${policy}: when it is full it deletes ${holds} without a word`,
      'redis-cli CONFIG SET maxmemory-policy noeviction, and the same line in redis.conf.',
    );
  if (most > 0 && used / most > FULL)
    findings.warn(
      `${Math.round((100 * used) / most)} % of its maxmemory is used: soon nothing can be published`,
      'Give it more memory, drain queues, or lower resultExpires.',
    );
}

export function judgeDisk(facts: Facts, findings: Findings, holds: string): void {
  const appends = facts.get('aof_enabled') === '1';
  for (const [key, what] of [
    ['rdb_last_bgsave_status', 'the last snapshot'],
    ['aof_last_write_status', 'the last write of the append-only file'],
  ] as const) {
    if ((facts.get(key) ?? 'ok') !== 'ok')
      findings.fail(`${what} failed: what is written now is lost by a restart`, 'See its log; is the disk full?');
  }
  if (appends) findings.ok('appendonly yes: a restart keeps what it holds');
  else
    findings.warn(
      `appendonly no: a crash loses ${holds} since the last snapshot`,
      'redis-cli CONFIG SET appendonly yes, and the same line in redis.conf.',
    );
}

export function judgeRole(facts: Facts, findings: Findings): void {
  if (facts.get('role') === 'slave')
    findings.fail('it is a replica, which takes no writes', 'Name the master, or its Sentinels (sentinel://…).');
  if (facts.get('cluster_enabled') === '1')
    findings.fail(
      'it is a node of a Cluster, which keeps no queues of several keys',
      'Use a Redis without Cluster for the broker.',
    );
}

export function judgeClock([seconds, microseconds]: readonly unknown[], here: number, findings: Findings): void {
  const there = Number(seconds) * 1000 + Number(microseconds) / 1000;
  const apart = Math.abs(there - here) / 1000;
  const cure = 'Synchronise the clocks of both machines (chrony, systemd-timesyncd).';
  if (Number.isNaN(apart)) findings.note('it does not tell its time');
  else if (apart >= CLOCK_FAIL)
    findings.fail(`its clock and ours are ${apart.toFixed(1)} s apart: etas and leases go wrong`, cure);
  else if (apart >= CLOCK_WARN) findings.warn(`its clock and ours are ${apart.toFixed(1)} s apart`, cure);
  else findings.ok(`clocks agree within ${Math.max(1, Math.ceil(apart * 1000))} ms`);
}
