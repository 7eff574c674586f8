"""Where the example listens, and what it says where it cannot."""

import socket
from collections.abc import Iterator

import pytest

from example_app import address
from example_app.address import AddressError, read_address, url_of


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_a_free_port_is_taken_as_it_is() -> None:
    port = free_port()
    assert read_address({"HOST": "127.0.0.1", "PORT": str(port)}) == ("127.0.0.1", port)
    assert read_address({"HOST": "", "PORT": str(port)}) == ("127.0.0.1", port)


def test_a_port_that_was_listened_on_until_now_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        served, _ = listener.accept()
    served.close()  # Who closes first keeps the address for a minute.
    assert client.recv(1) == b""
    client.close()
    assert read_address({"PORT": str(port)}) == ("127.0.0.1", port)


@pytest.mark.parametrize("text", ["abc", "0", "-1", "65536", "300000", "9" * 5000, "3000.0", "3 000", "٣٠٠٠", "0x10"])
def test_a_port_that_is_none_is_named(text: str) -> None:
    with pytest.raises(AddressError, match=r"PORT=.* is not a port\. Set a number from 1 to 65535"):
        read_address({"PORT": text})


@pytest.mark.parametrize("port", ["1", "65535"])
def test_the_lowest_and_the_highest_port_are_ports(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setattr(address, "_try_to_bind", lambda _host, _port: None)  # Another program may listen there.
    assert read_address({"PORT": port}) == ("127.0.0.1", int(port))


def test_a_port_that_is_taken_is_named_with_another(taken: int) -> None:
    with pytest.raises(AddressError, match=rf"127.0.0.1, port {taken}: Address already in use.*PORT={taken + 1} make run"):
        read_address({"PORT": str(taken)})


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 300])
def test_a_host_that_cannot_be_found_is_named(host: str) -> None:
    with pytest.raises(AddressError, match=rf"HOST={host} cannot be found"):
        read_address({"HOST": host, "PORT": str(free_port())})


def test_a_host_of_another_machine_is_named() -> None:
    with pytest.raises(AddressError, match=r"192\.0\.2\.1.*not an address of this machine"):
        read_address({"HOST": "192.0.2.1", "PORT": str(free_port())})


@pytest.mark.parametrize(("host", "url"), [("localhost", "http://localhost:80"), ("::1", "http://[::1]:80")])
def test_the_address_is_one_for_browsers(host: str, url: str) -> None:
    assert url_of(host, 80) == url
