"""Canvases of the interop tests: the tasks of the Python side, and what the client makes signatures with."""
import os

from celery import Celery, chain, chord, group, signature
from celery.canvas import chunks, xmap, xstarmap
from peer import app

JS, PY = os.environ['INTEROP_QUEUES'].split(',')[:2]

if os.environ.get('INTEROP_UNORDERED'):
    app.conf.result_backend_transport_options = {'result_chord_ordered': False}


def js(name, *args, **kwargs):
    """A call of a task that a Lovage worker runs."""
    return signature('js.' + name, args=args, kwargs=kwargs, app=app).set(queue=JS)


def py(name, *args, **kwargs):
    """The same of a task that a Celery worker runs."""
    return signature('py.' + name, args=args, kwargs=kwargs, app=app).set(queue=PY)


def told(result, wait=30):
    """What becomes of a result: its value, or the error as text."""
    try:
        return result.get(timeout=wait)
    except Exception as error:
        return '%s: %s' % (type(error).__name__, error)


def state(result, wait=30):
    """The state and the stored error of a result that is waited for, whatever its parents say."""
    try:
        result.get(timeout=wait, propagate=False)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return [result.state, '%s: %s' % (type(result.result).__name__, result.result)]


@app.task(name='py.add')
def add(x, y):
    return x + y


@app.task(name='py.xsum')
def xsum(numbers):
    return sum(numbers)


@app.task(name='py.boom')
def boom(*args):
    raise ValueError('boom', 3)


@app.task(name='py.listed')
def listed(values):
    return values


@app.task(name='py.double')
def double(x):
    return 2 * x


@app.task(name='py.sum')
def summed(numbers):
    return sum(numbers)


@app.task(name='py.list')
def wrapped(value):
    return ['got', value]


@app.task(name='py.one')
def one():
    return 1
