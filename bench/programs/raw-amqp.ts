// The least that a queue can do on RabbitMQ with the same client: confirmed publishes, and acknowledgements of many at once.
import amqplib from 'amqplib';
import { ARGUMENTS, counter, serve, timeCalls } from './protocol.ts';

const BODY = Buffer.from(JSON.stringify([ARGUMENTS, {}, { callbacks: null, errbacks: null, chain: null, chord: null }]));
const HEADERS = {
  lang: 'js',
  task: 'bench.noop',
  id: '00000000-0000-4000-8000-000000000000',
  retries: 0,
  root_id: '00000000-0000-4000-8000-000000000000',
  argsrepr: "('order-000001', {'amount': 12.5, 'currency': 'EUR'})",
  kwargsrepr: '{}',
  origin: 'bench@host',
};

await serve({
  enqueue: async (options, answer) => {
    const connection = await amqplib.connect(options.url, { noDelay: true });
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(options.queue, { durable: true });
    const publish = (): Promise<void> =>
      new Promise((resolve, reject) => {
        channel.publish('', options.queue, BODY, { persistent: true, headers: HEADERS, mandatory: true }, (error) =>
          error ? reject(error) : resolve(),
        );
      });
    answer({ perSecond: await timeCalls(options, publish) });
  },
  worker: async (options, answer) => {
    const connection = await amqplib.connect(options.url, { noDelay: true });
    const channel = await connection.createChannel();
    await channel.prefetch(1000);
    const ran = counter(options.count, answer);
    let runs = 0;
    await channel.consume(options.queue, (message) => {
      if (message === null) return;
      JSON.parse(message.content.toString());
      ran();
      if (++runs % 100 === 0 || runs === 2 * options.count) channel.ack(message, true);
    });
    answer({ ready: true });
  },
});
