"""A Python monitor: Celery's event receiver feeds its state; each change of a task or worker is one JSON line."""
import json
import os
import sys

from peer import app

app.conf.event_exchange = os.environ['INTEROP_EVENTS']
state = app.events.State()


def told(event):
    state.event(event)
    uuid, hostname = event.get('uuid'), event['hostname']
    line = {'type': event['type'], 'hostname': hostname, 'local': 'local_received' in event}
    task = state.tasks.get(uuid) if uuid else None
    if task is not None:
        line.update(uuid=uuid, state=task.state, name=task.name, args=task.args, kwargs=task.kwargs, result=task.result, exception=task.exception,
                    runtime=task.runtime, worker=task.worker.hostname if task.worker else None, root=task.root_id, retries=task.retries)
    worker = state.workers.get(hostname)
    if worker is not None:
        line.update(alive=worker.alive, processed=worker.processed, active=worker.active, ident=worker.sw_ident, freq=worker.freq)
    sys.stdout.write(json.dumps(line) + '\n')
    sys.stdout.flush()


class Monitor(app.events.Receiver):
    def on_consume_ready(self, *args, **options):
        super().on_consume_ready(*args, **options)
        sys.stdout.write('"ready"\n')
        sys.stdout.flush()


with app.connection_for_read() as connection:
    Monitor(connection, handlers={'*': told}, app=app).capture(limit=None, timeout=None, wakeup=True)
