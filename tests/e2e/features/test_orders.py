"""Orders: updates reach all of a user's devices."""

from tests.e2e.api import Api
from tests.e2e.conftest import ClientFactory, NewId


def test_an_order_reaches_all_of_the_users_devices(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    phone, laptop, other = connect(user), connect(user), connect(new_id("ben"))
    order = {"id": "o1", "status": "shipped"}
    api.emit("emit_order_update", user, order)
    assert phone.wait_for("order:update").data == order
    assert laptop.wait_for("order:update").data == order
    other.assert_none("order:update")
