"""The matrix: every route, by every method, for everybody who might knock at it.

`routes` reads what is served, `tests/doors.py` and `elsewhere` declare what each route may answer,
`callers` are who knocks, `walking` compares. `probes` ask what a status cannot say: whether lists,
counts, errors, look-ups and replays let another organization show through.

`python -m tests.matrix` (or `make matrix`) walks everything on a database of its own and prints the
figures; `test_matrix.py` is the same walk as part of the suite.
"""
