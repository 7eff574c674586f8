"""Between the wire and the features: authentication, dispatch, answers. The only part that knows Flask-SocketIO."""
