// What settings promise at compile time. Nothing here runs: tsc fails when a line that must not compile does.
import { Lovage } from '../../src/index.ts';

const app = new Lovage('shop', {
  taskTimeLimit: 30,
  brokerUrl: ['redis://a', 'redis://b'],
  taskQueues: { mail: { maxPriority: 9 } },
});
new Lovage('shop', { taskTimeLimit: undefined, taskRoutes: { 'shop.*': { queue: 'shop', priority: 'high' } } });
app.conf.update({ taskSerializer: 'msgpack' });
// Names that only the run can check: Celery's, and those of a file.
app.conf.load({ task_serializer: 'msgpack', broker_url: 'redis://a' });

// @ts-expect-error a setting that does not exist
new Lovage('shop', { taskSerialiser: 'json' });
// @ts-expect-error Celery's name; conf.load takes it
new Lovage('shop', { task_serializer: 'json' });
// @ts-expect-error a value of the wrong type
new Lovage('shop', { taskTimeLimit: '30' });
// @ts-expect-error a word that is no choice
new Lovage('shop', { deadLetters: 'maybe' });
// @ts-expect-error the type of an exchange is an option of its own
new Lovage('shop', { taskQueues: { mail: { exchange: { name: 'media', type: 'topic' } } } });
// @ts-expect-error a wrong option of a queue
new Lovage('shop', { taskQueues: [{ name: 'mail', maxPrioritty: 9 }] });
// @ts-expect-error a wrong option of a route
new Lovage('shop', { taskRoutes: { 'shop.*': { priority: 'urgent' } } });
// @ts-expect-error a setting that does not exist
app.conf.update({ taskSerialiser: 'json' });
// @ts-expect-error a value of the wrong type
app.conf.update({ taskAcksLate: 'yes' });
