// A RabbitMQ as the broker: what its version can do, whether it takes messages, and its limit for tasks that take long.
import type { BrokerOptions, QueueDeclaration } from '../../broker/index.ts';
import { connectAmqp } from '../../util/index.ts';
import { type Finding, Findings } from './finding.ts';

/** RabbitMQ's own limit on how long a message may be held, in seconds, since 3.8.15. */
const CONSUMER_TIMEOUT = 1800;

export interface RabbitQuestion {
  readonly options: BrokerOptions;
  /** Of the app. */
  readonly queues: readonly QueueDeclaration[];
  readonly taskTimeLimit: number | null;
}

type Version = readonly [major: number, minor: number];

const isBefore = ([major, minor]: Version, than: Version): boolean => major < than[0] || (major === than[0] && minor < than[1]);

export async function askRabbit({ options, queues, taskTimeLimit }: RabbitQuestion): Promise<readonly Finding[]> {
  const { url, connectTimeout, heartbeat, tls, appName } = options;
  await using connection = await connectAmqp({ url, connectTimeout, heartbeat, tls, name: `lovage ${appName} doctor` });
  const findings = new Findings('rabbitmq');
  judgeVersion(connection.version, queues, findings);
  if (connection.blocked === undefined) findings.ok('it takes messages');
  else
    findings.fail(`it takes no messages: ${connection.blocked}`, 'Free memory or disk: rabbitmq-diagnostics alarms says which.');
  judgeTimeout(connection.version, taskTimeLimit, findings);
  return findings.list;
}

export function judgeVersion(version: Version, queues: readonly QueueDeclaration[], findings: Findings): void {
  const text = version.join('.');
  const quorum = queues.filter((queue) => queue.arguments['x-queue-type'] === 'quorum').map(({ name }) => name);
  if (isBefore(version, [3, 8])) {
    findings.fail(`version ${text} has no quorum queues, in which delayed messages are kept`, 'Upgrade to 3.12 or later.');
    return;
  }
  if (isBefore(version, [3, 12])) findings.note(`version ${text} gets no corrections any more`, 'Upgrade to 3.13 or 4.x.');
  else findings.ok(`version ${text}`);
  if (quorum.length > 0 && isBefore(version, [3, 10]))
    findings.warn(
      `version ${text} deletes no messages of quorum queues by their time to live (${quorum.join(', ')})`,
      'Upgrade to 3.10 or later.',
    );
  const transient = queues.filter((queue) => !queue.durable).map(({ name }) => name);
  if (transient.length > 0)
    findings.warn(`these queues are gone with a restart of the server: ${transient.join(', ')}`, 'Declare them durable.');
}

export function judgeTimeout(version: Version, limit: number | null, findings: Findings): void {
  if (isBefore(version, [3, 8])) return;
  const told = 'RabbitMQ takes a message back, and closes the line, after consumer_timeout (30 minutes where nobody changed it)';
  if (limit !== null && limit < CONSUMER_TIMEOUT)
    findings.ok(`taskTimeLimit (${limit} s) is below consumer_timeout where nobody changed it`);
  else
    findings.note(
      `${told}; ${limit === null ? 'taskTimeLimit is not set' : `taskTimeLimit is ${limit} s`}`,
      'Where tasks take longer, set consumer_timeout in rabbitmq.conf (it is not told to clients), or taskTimeLimit below it.',
    );
}
