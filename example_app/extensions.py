"""The Flask extensions, each set up for an application in `factory.py`."""

from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from flask_realtime import Realtime


class Base(DeclarativeBase):
    """The base of the models. `db` adopts it: its tables are `db`'s, and its models are typed."""


# Objects that a view has loaded stay usable after its commit.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
jwt = JWTManager()
realtime = Realtime()
