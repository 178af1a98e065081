"""Random canvases that a Celery client makes for Lovage workers, and what they give by a simple model: values flow from step to step; a task
that is replaced gives what takes its place gives."""
import json
import random
import time

from celery import chain, chord, group
from celery.result import GroupResult
from canvas import app, js

FAILS = 'fails'

# Operators make signatures of the app that is current.
app.set_default()
app.set_current()


class Failure(Exception):
    pass


def random_canvas(rnd, depth):
    kind = rnd.random()
    if depth == 0 or kind < 0.3:
        name = 't%d' % rnd.randrange(10 ** 6)
        kind = rnd.random()
        return ['fails' if kind < 0.05 else 'immutable' if kind < 0.2 else 'again' if kind < 0.3 else 'task', name]
    inner = lambda: random_canvas(rnd, depth - 1)
    if kind < 0.38:
        return ['replaced', inner()]
    if kind < 0.6:
        return ['chain', [inner() for _ in range(rnd.randint(2, 4))]]
    if kind < 0.75:
        return ['group', [member(inner()) for _ in range(rnd.randint(2, 4))]]
    return ['chord', [member(inner()) for _ in range(rnd.randint(1, 4))], inner()]


def member(written):
    """Celery turns the members of a group in a header round, so none is written."""
    return member(written[1][0]) if written[0] == 'group' else written


def made(written):
    kind, parts = written[0], written[1]
    if kind == 'task':
        return js('put', parts)
    if kind == 'immutable':
        return js('put', None, parts).set(immutable=True)
    if kind == 'again':
        return js('put_again', parts)
    if kind == 'fails':
        return js('boom', parts)
    if kind == 'replaced':
        return js('other', json.loads(json.dumps(made(parts))))
    if kind == 'chain':
        return chain(*[made(part) for part in parts])
    if kind == 'group':
        return group([made(part) for part in parts])
    return chord([made(part) for part in parts], made(written[2]))


def model(written, value):
    kind, parts = written[0], written[1]
    if kind in ('task', 'again'):
        return [parts, value]
    if kind == 'replaced':
        return model(parts, value)
    if kind == 'immutable':
        return [parts, None]
    if kind == 'fails':
        raise Failure
    if kind == 'chain':
        for part in parts:
            value = model(part, value)
        return value
    members = [model(part, value) for part in parts]
    return members if kind == 'group' else model(written[2], members)


def foreseen(written):
    try:
        return model(written, 'in')
    except Failure:
        return FAILS


def stored(id, until):
    """Reads until it is there: a wait of this Celery for members of groups may miss what came before it."""
    while time.time() < until:
        meta = app.backend.get_task_meta(id)
        if meta['status'] == 'SUCCESS':
            return meta['result']
        if meta['status'] in ('FAILURE', 'REVOKED'):
            raise Failure
        time.sleep(0.01)
    raise TimeoutError('%s is %s' % (id, meta['status']))


def value(result, until):
    if isinstance(result, GroupResult):
        return [value(member, until) for member in result.results]
    return stored(result.id, until)


def given(result, seconds=30):
    try:
        return value(result, time.time() + seconds)
    except Failure:
        return FAILS
    except TimeoutError as error:
        return str(error)


def differences(seed, count):
    """[canvas, expected, given] of those that do not give what they should."""
    rnd = random.Random(seed)
    canvases = [random_canvas(rnd, 3) for _ in range(count)]
    sent = [(written, made(written).apply_async(('in',))) for written in canvases]
    ends = [(written, foreseen(written), given(result)) for written, result in sent]
    return [end for end in ends if end[1] != end[2]]
