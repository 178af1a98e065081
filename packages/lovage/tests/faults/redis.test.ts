// The faults on Redis, in both ways of keeping what is in flight.
import { describeFaults } from './harness/suite.ts';

describeFaults(['redis', 'redis-celery'], 'all');
