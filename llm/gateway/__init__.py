"""The one way out to models: authenticate, policy, hold, route, call, relay, capture.

Two doors lead in: `app.application` serves `/v1`, `calls.complete` serves code of this process.
"""
