"""Gateway between the wire and the features: authentication, dispatch, answers. The only part that depends on Flask-SocketIO."""
