import { expect, test } from 'vitest';
import { judgeFileSystem } from '../../../src/cli/doctor/embedded.ts';
import { type Finding, Findings } from '../../../src/cli/doctor/finding.ts';
import { judgeAddress, judgeNode } from '../../../src/cli/doctor/local.ts';
import { judgeVersion as judgeRabbit, judgeTimeout } from '../../../src/cli/doctor/rabbit.ts';
import { judgeClock, judgeDisk, judgeMemory, judgeRole, judgeVersion } from '../../../src/cli/doctor/redis.ts';

function found(judge: (findings: Findings) => void): readonly Finding['level'][] {
  const findings = new Findings('x');
  judge(findings);
  return findings.list.map(({ level }) => level);
}

const facts = (given: Readonly<Record<string, string>>): ReadonlyMap<string, string> => new Map(Object.entries(given));

test.each([
  [{ maxmemory_policy: 'noeviction', maxmemory: '0', used_memory: '99' }, ['ok']],
  [{ maxmemory_policy: 'allkeys-lru' }, ['fail']],
  [{ maxmemory_policy: 'volatile-ttl', maxmemory: '100', used_memory: '95' }, ['fail', 'warn']],
])('memory of a Redis %j: %j', (given, levels) => {
  expect(found((findings) => judgeMemory(facts(given), findings, 'messages'))).toEqual(levels);
});

test.each([
  [{ aof_enabled: '1' }, ['ok']],
  [{ aof_enabled: '0', rdb_last_bgsave_status: 'ok' }, ['warn']],
  [{ aof_enabled: '1', aof_last_write_status: 'err' }, ['fail', 'ok']],
  [{ aof_enabled: '0', rdb_last_bgsave_status: 'err' }, ['fail', 'warn']],
])('persistence of a Redis %j: %j', (given, levels) => {
  expect(found((findings) => judgeDisk(facts(given), findings, 'messages'))).toEqual(levels);
});

test('version, role and clock of a Redis', () => {
  expect(found((findings) => judgeVersion(facts({ redis_version: '7.0.15' }), findings))).toEqual(['ok']);
  expect(found((findings) => judgeVersion(facts({ redis_version: '5.0.7' }), findings))).toEqual(['warn']);
  expect(found((findings) => judgeRole(facts({ role: 'slave' }), findings))).toEqual(['fail']);
  expect(found((findings) => judgeRole(facts({ role: 'master', cluster_enabled: '1' }), findings))).toEqual(['fail']);
  const at = (seconds: number): readonly string[] =>
    found((findings) => judgeClock([String(seconds), '0'], 1000 * 1000, findings));
  expect([at(1000), at(1002), at(900)]).toEqual([['ok'], ['warn'], ['fail']]);
});

test('versions and time limits on RabbitMQ', () => {
  const queue = { name: 'q', durable: true, arguments: { 'x-queue-type': 'quorum' } };
  expect(found((findings) => judgeRabbit([4, 0], [queue], findings))).toEqual(['ok']);
  expect(found((findings) => judgeRabbit([3, 9], [queue], findings))).toEqual(['note', 'warn']);
  expect(found((findings) => judgeRabbit([3, 7], [], findings))).toEqual(['fail']);
  expect(found((findings) => judgeRabbit([3, 13], [{ ...queue, durable: false }], findings))).toEqual(['ok', 'warn']);
  expect(found((findings) => judgeTimeout([3, 13], 60, findings))).toEqual(['ok']);
  expect(found((findings) => judgeTimeout([3, 13], null, findings))).toEqual(['note']);
});

test('file systems, Node and addresses', () => {
  // statfs tells ext4, NFS, SMB (as a negative number on some machines) and FUSE so.
  const systems = [0xef53, 0x6969, -11_317_950, 0xff534d42, 0x65735546].map((type) => found((one) => judgeFileSystem(type, one)));
  expect(systems).toEqual([['ok'], ['fail'], ['fail'], ['fail'], ['warn']]);
  const nodes = ['24.15.0', '24.14.9', '22.22.3', '22.22.2', '23.9.0', '25.0.0'].map((node) =>
    found((one) => judgeNode(node, one)),
  );
  expect(nodes).toEqual([['ok'], ['fail'], ['ok'], ['fail'], ['fail'], ['ok']]);
  const address = (url: string, tls = false): readonly string[] => found((one) => judgeAddress('broker', url, tls, one));
  expect(address('redis://:secret@10.0.0.1/0')).toEqual(['warn']);
  expect(address('redis://localhost;amqp://far')).toEqual(['warn']);
  expect(
    [address('redis://:s@127.0.0.1'), address('rediss://far'), address('amqp://far', true), address('sqlite://x')].flat(),
  ).toEqual([]);
  const findings = new Findings('x');
  judgeAddress('broker', 'redis://:secret@10.0.0.1/0', false, findings);
  expect(JSON.stringify(findings.list)).not.toContain('secret');
});
