import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { open as openDynamo } from '../../../src/result/dynamodb.ts';
import { open as openEtcd } from '../../../src/result/etcd.ts';
import { parseAmqpUrl } from '../../../src/util/amqp-url.ts';
import { ConfigurationError, parseRedisUrl, sqliteLocation } from '../../../src/util/index.ts';
import { sqlPlace } from '../../../src/util/sql-connect.ts';

const backend = (url: string) => ({ url, appName: 'a', connectTimeout: 1, transportOptions: {} }) as never;
const readers = {
  amqp: (url: string) => parseAmqpUrl(url),
  redis: (url: string) => parseRedisUrl(url),
  sql: (url: string) => sqlPlace(url),
  sqlite: (url: string) => sqliteLocation(url, { appName: 'a', cwd: '/', options: {} } as never),
  dynamodb: (url: string) => openDynamo(backend(url)),
  etcd: (url: string) => openEtcd(backend(url)),
};

function refusal(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    return error;
  }
}

test.each<[keyof typeof readers, string, string]>([
  ['amqp', 'amqp://me:hush%zz@host/v', 'The password in'],
  ['amqp', 'amqp://me%:hush@host/v', 'The user in'],
  ['amqp', 'amqp://me:hush@host/v%ff', 'The vhost in'],
  ['amqp', 'amqp://me:hush@host:port/v', 'is not a URL'],
  ['redis', 'redis://:hush%@host/1', 'The password in'],
  ['redis', 'redis://me%e9:hush@host/1', 'The user in'],
  ['redis', 'redis+socket://:hush@/run/%.sock', 'The path in'],
  ['redis', 'redis://:hush@host:port/1', 'cannot be read as a URL'],
  ['sql', 'db+postgresql://me:hush%zz@host/d', 'The password in'],
  ['sql', 'db+mysql://me:hush@host/d%', 'The database in'],
  ['sql', 'db+mariadb://me:hush@host:port/d', 'cannot be read as a URL'],
  ['sql', 'db+sqlite:///a%.db', 'The path in'],
  ['dynamodb', 'dynamodb://me:hush%@eu-west-1/t', 'The password in'],
  ['etcd', 'etcd://me:hush%@host', 'The password in'],
])('%s: what is wrong in %s is named, and no password is shown', (kind, url, says) => {
  const error = refusal(() => readers[kind](url));
  expect(error).toBeInstanceOf(ConfigurationError);
  expect(String(error)).toContain(says);
  expect(inspect(error, { depth: 10, showHidden: true }).replaceAll(/^\s+at .*$/gm, '')).not.toContain('hush');
});

test('a database whose socket is in the query needs no host', () => {
  expect(sqlPlace('db+postgresql://a:b@/d?host=/run/postgresql').address).toBe('postgresql://a:b@/d?host=/run/postgresql');
});
