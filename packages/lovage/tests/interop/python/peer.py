"""The Python side of the interop tests: the same tasks as on the TypeScript side, under the prefix `py.`."""
import json
import os
import time

from celery import Celery
from kombu import Exchange, Queue

app = Celery('interop', broker=os.environ['INTEROP_BROKER'], backend=os.environ['INTEROP_BACKEND'])
topic = Exchange(os.environ['INTEROP_PREFIX'] + '.topic', type='topic')
queues = [Queue(name) for name in os.environ['INTEROP_QUEUES'].split(',')]
app.conf.update(
    accept_content=['json', 'msgpack', 'yaml'],
    task_queues=queues + [Queue(os.environ['INTEROP_PREFIX'] + '.py.topic', topic, routing_key='to.py.#')],
    task_default_queue=queues[0].name,
    worker_hijack_root_logger=False,
    broker_transport_options={'polling_interval': 0.1},
    result_expires=300,
    beat_schedule=json.loads(os.environ.get('INTEROP_BEAT', '{}')),
    control_exchange=os.environ.get('INTEROP_CONTROL', 'celery'),
)

if 'INTEROP_SECURITY' in os.environ:
    folder = os.environ['INTEROP_SECURITY']
    app.conf.update(
        task_serializer='auth',
        accept_content=['auth'],
        result_accept_content=['json'],
        security_key=folder + '/python.key',
        security_certificate=folder + '/python.pem',
        security_cert_store=folder + '/store',
    )
    app.setup_security()


@app.task(name='py.join')
def join(first, second, third='-'):
    return '%s|%s|%s' % (first, second, third)


@app.task(name='py.echo')
def echo(value):
    return value


@app.task(name='py.describe')
def describe(value):
    return '%s %r' % (type(value).__name__, value)


@app.task(name='py.request', bind=True)
def request(self):
    r = self.request
    return {
        'id': r.id, 'shadow': r.shadow, 'root': r.root_id, 'parent': r.parent_id, 'mine': (r.headers or {}).get('mine') or getattr(r, 'mine', None),
        'limits': list(r.timelimit or [None, None]), 'retries': r.retries, 'argsrepr': r.argsrepr, 'kwargsrepr': r.kwargsrepr,
        'priority': (r.delivery_info or {}).get('priority'), 'correlation': r.correlation_id, 'replyTo': r.reply_to,
        'eta': r.eta, 'expires': r.expires,
    }


@app.task(name='py.fail')
def fail(message):
    raise ValueError(message)


@app.task(name='py.flaky', bind=True, default_retry_delay=0.2, max_retries=3)
def flaky(self, times):
    if self.request.retries < times:
        raise self.retry(exc=ValueError('attempt %d' % self.request.retries))
    return 'after %d' % self.request.retries


@app.task(name='py.exhausted', bind=True, default_retry_delay=0, max_retries=1)
def exhausted(self):
    raise self.retry(exc=KeyError('never'), countdown=0)


@app.task(name='py.progress', bind=True)
def progress(self, gate):
    self.update_state(state='PROGRESS', meta={'done': 1})
    limit = time.time() + 30
    while not os.path.exists(gate) and time.time() < limit:
        time.sleep(0.02)
    return 'through'


@app.task(name='py.slow')
def slow(seconds):
    time.sleep(seconds)
    return 'too late'


@app.task(name='py.ignored', ignore_result=True)
def ignored(path):
    mark('ignored', path)


@app.task(name='py.mark')
def mark(value, path):
    with open(path, 'a') as file:
        file.write('py:%s\n' % (value,))
    return value


@app.task(name='both.where')
def where():
    time.sleep(0.1)
    return 'python'
