"""What the product does, in plain Python that knows neither Flask nor sockets.

A feature takes identities and parsed requests and says what should happen, as `Send` effects; the gateway makes it happen.
"""
