// The faults on RabbitMQ, with both types of queues.
import { describeFaults } from './harness/suite.ts';

describeFaults(['rabbitmq-classic', 'rabbitmq-quorum'], 'all');
