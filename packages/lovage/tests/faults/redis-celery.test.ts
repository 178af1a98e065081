// The faults on Redis with Celery's way of keeping what is in flight. A file of its own, so that it runs beside the other way.
import { describeFaults } from './harness/suite.ts';

describeFaults(['redis-celery'], 'all');
