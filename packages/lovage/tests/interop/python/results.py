# A Python client of one result store: reads commands as JSON lines, answers each with one. Nothing runs here but Celery's own backend.
import json
import sys

from celery import Celery
from celery.result import GroupResult

app = Celery('interop', broker='memory://', backend=sys.argv[1])
app.conf.update(json.loads(sys.argv[2]))


class Request:
    """What a worker knows of the task whose result it stores."""
    id = None
    task = 'py.add'
    args = [1, 2]
    kwargs = {'debug': True}
    hostname = 'w1@py'
    retries = 3
    delivery_info = {'routing_key': 'celery'}
    group = None
    parent_id = None
    children = []
    stamped_headers = None


def store(id, state, value):
    result = ValueError(*value) if state == 'FAILURE' else value
    traceback = 'Traceback of Python' if state == 'FAILURE' else None
    app.backend.store_result(id, result, state, traceback=traceback, request=Request())


def read(id):
    result = app.AsyncResult(id)
    value = result.result
    if isinstance(value, BaseException):
        value = [type(value).__module__, type(value).__name__, [str(arg) for arg in value.args]]
    done = result.date_done
    return {'state': result.state, 'result': value, 'traceback': result.traceback, 'done': str(done) if done else None,
            'name': result.name, 'args': result.args, 'kwargs': result.kwargs, 'worker': result.worker,
            'retries': result.retries, 'queue': result.queue}


def get(id):
    return app.AsyncResult(id).get(timeout=10)


def forget(id):
    app.AsyncResult(id).forget()


def save_group(id, members):
    GroupResult(id, [app.AsyncResult(member) for member in members]).save(app.backend)


def cleanup():
    app.backend.cleanup()


for line in sys.stdin:
    name, args = json.loads(line)
    try:
        answer = {'ok': globals()[name](*args)}
    except Exception as error:
        answer = {'error': repr(error)}
    print(json.dumps(answer), flush=True)
