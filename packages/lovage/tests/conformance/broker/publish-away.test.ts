// A broker where nobody listens: the first publish already says why it failed.
import { expect, test } from 'vitest';
import { freePorts } from '../../../../../scripts/servers/index.ts';
import { Lovage } from '../../../src/index.ts';
import { PublishError } from '../../../src/util/index.ts';

test.each(['redis', 'amqp'])('%s: that the connection was refused', async (scheme) => {
  const brokerUrl = `${scheme}://127.0.0.1:${await freePorts()}`;
  await using app = new Lovage('away', { brokerUrl, resultBackend: 'disabled://', taskPublishTimeout: 3 });
  const error: unknown = await app
    .remote('some.task')
    .delay()
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(PublishError);
  expect(String(error)).toMatch(/within 3 s \(taskPublishTimeout\): .*ECONNREFUSED.*sending again is safe/);
});
