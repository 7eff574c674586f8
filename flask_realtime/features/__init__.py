"""Built-in features, in plain Python that depends on neither Flask nor sockets.

A feature takes identities and parsed requests and returns effects such as `Emit`; the gateway carries them out.
"""
