"""Direct links: the servers of one machine pass envelopes to each other over Unix sockets, ahead of the message queue.

::

    publish ─► number ─┬─► links ──► the other servers of the machine ──┬─► intake ─► each once, in order
                       └─► message queue, later where all are linked ───┘

Every envelope goes to the message queue as well, under the same number. So a link may break, fill up or never come about, and
nothing is lost: what it did not bring comes from the queue, and what comes twice is dropped by its number.
"""
