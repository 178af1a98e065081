"""The app of peer.py with an exchange of events of its own, so that tests hear only themselves."""
import os

from peer import app

app.conf.event_exchange = os.environ['INTEROP_EVENTS']
