"""Jobs: work that survives the process which took it on, one row of a table each.

A job is written in the transaction of the change that it belongs to, and removed when it is done. A worker claims it by a lease in
its row; when the lease runs out, because the worker was killed, the job is anybody's again. So a job is done at least once::

    added ──► due ──► claimed ──► done: removed
               ▲         │
               └─────────┤ failed, or the lease has run out: again later
                         └► failed for too long: a dead letter, until it is requeued

`runner.py` and `worker.py` know no database: test them with a queue in memory and a clock of your own.
"""
