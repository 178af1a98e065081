// An app of its own for each test: memory broker and memory results of their own, no environment, no config file.
import { randomUUID } from 'node:crypto';
import type { SettingsInput } from '../../../src/app/config.ts';
import { Lovage, type LovageParts } from '../../../src/app/lovage.ts';
import type { Message } from '../../../src/broker/index.ts';

export function setup(settings: SettingsInput = {}, parts: LovageParts = {}): Lovage {
  const app = new Lovage('test', { brokerUrl: `memory://${randomUUID()}`, ...settings }, { environment: {}, ...parts });
  app.conf.load({});
  return app;
}

/** What waits in a queue. */
export async function waiting(app: Lovage, queue = 'celery'): Promise<readonly Message[]> {
  const broker = await app.openBroker('read');
  return broker.peek(queue, 100);
}

export function bodyOf(message: Message | undefined): unknown {
  return JSON.parse(new TextDecoder().decode(message!.body));
}
