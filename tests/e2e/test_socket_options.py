"""Socket options and ways out, as the system sees them: options are read back, addresses are those that the server sees."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from proxycore.instance import Instance
from proxycore.net.socket_stream import SocketStream
from proxycore.net.tcp_info import IPPROTO_MPTCP, tcp_info
from tests.support import documents
from tests.support.documents import Json
from tests.support.processes import LOCALHOST, free_port
from tests.support.running import running
from tests.support.sockets import until
from tests.support.target import Target

SO_MARK = 36
SO_PROTOCOL, SOL_MPTCP, MPTCP_INFO = 38, 284, 1       # <asm-generic/socket.h>, <linux/socket.h>, <linux/mptcp.h>
OTHER = "127.0.0.2"         # an address of the loopback interface as well
FREE: Json = {"tag": "direct", "protocol": "freedom"}


def is_privileged() -> bool:
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_MARK, 1)
        except PermissionError:
            return False
    return True


@contextlib.contextmanager
def datagram_client(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((LOCALHOST, port))
        yield sock


async def asked(sock: socket.socket, question: bytes) -> bytes:
    sock.send(question)
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 100), 5)


class Seen(asyncio.DatagramProtocol):
    """A server that tells each client the address that it came from."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(address[0].encode(), address)


async def tell_source(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(writer.get_extra_info("peername")[0].encode())
    writer.close()


def options_of(stream: SocketStream, *names: tuple[int, int]) -> list[int]:
    assert stream.sock is not None
    return [stream.sock.getsockopt(*name) for name in names]


@contextlib.asynccontextmanager
async def both_ways(target: Target, settings: Json) -> AsyncIterator[Instance]:
    """A connection and a flow of datagrams that were answered, through doors and an outbound with these settings."""
    port, udp_port = free_port(), free_port()
    doors = [documents.door("door", port, target.port) | settings,
             documents.door("udp", udp_port, target.udp_port, "udp") | settings]
    async with running(documents.proxy(doors, [FREE | settings])) as instance:
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.write(b"ECHO\nabc")
        assert await reader.readexactly(3) == b"abc"
        with datagram_client(udp_port) as sock:
            assert await asked(sock, b"hello") == b"hello"
        yield instance
        writer.close()
        await writer.wait_closed()


async def test_options_of_connections_are_set_on_both_sides(target: Target) -> None:
    port = free_port()
    given = {"tcpUserTimeout": 7000, "tcpKeepAliveIdle": 33, "tcpKeepAliveInterval": 11, "tcpcongestion": "reno",
             "tcpMaxSeg": 1200, "tcpWindowClamp": 60000}
    tcp = socket.IPPROTO_TCP
    numbers = [(tcp, socket.TCP_USER_TIMEOUT), (tcp, socket.TCP_KEEPIDLE), (tcp, socket.TCP_KEEPINTVL),
               (socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
    door = documents.door("door", port, target.port) | {"streamSettings": {"sockopt": given}}
    async with running(documents.proxy([door], [FREE | {"streamSettings": {"sockopt": given}}])) as instance:
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.write(b"ECHO\nabc")
        assert await reader.readexactly(3) == b"abc"
        [out] = instance._ground.clients.open
        [running_inbound] = instance._running.inbounds.values()
        [accepted] = running_inbound.census.open
        for stream in (out, accepted):
            assert stream.sock is not None
            assert options_of(stream, *numbers) == [7000, 33, 11, 1]
            assert stream.sock.getsockopt(tcp, socket.TCP_CONGESTION, 16).startswith(b"reno\0")
            assert stream.sock.getsockopt(tcp, socket.TCP_WINDOW_CLAMP) == 60000
            assert stream.sock.getsockopt(tcp, socket.TCP_MAXSEG) <= 1200
        writer.close()
        await writer.wait_closed()


async def test_any_option_can_be_given_by_its_numbers(target: Target) -> None:
    """Where it is for this system, and for this sort of socket."""
    tcp, priority, linger = str(int(socket.IPPROTO_TCP)), str(socket.SO_PRIORITY), str(socket.TCP_LINGER2)
    given = {"streamSettings": {"sockopt": {"customSockopt": [
        {"system": "linux", "network": "tcp", "opt": linger, "value": "7", "type": "int"},
        {"level": tcp, "network": "tcp4", "opt": str(socket.TCP_CONGESTION), "value": "reno", "type": "str"},
        {"system": "windows", "level": "1", "opt": priority, "value": "1", "type": "int"},
        {"network": "tcp6", "level": "1", "opt": priority, "value": "2", "type": "int"},
        {"network": "udp", "level": "1", "opt": priority, "value": "3", "type": "int"},
    ]}}}
    async with both_ways(target, given) as instance:
        [out] = instance._ground.clients.open
        accepted = next(iter(next(one for one in instance._running.inbounds.values() if one.census.open).census.open))
        for stream in (out, accepted):
            assert options_of(stream, (socket.IPPROTO_TCP, socket.TCP_LINGER2), (socket.SOL_SOCKET, socket.SO_PRIORITY)) == [7, 0]
            assert stream.sock is not None
            assert stream.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).startswith(b"reno\0")
        for one in [*(listener.sock for listener in _udp_listeners(instance)), *_udp_sockets(instance)]:
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) == 3


def has_multipath() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_multipath(), reason="this system has no Multipath TCP")
async def test_carriers_speak_multipath_tcp_where_both_sides_say_so(target: Target) -> None:
    port, carrier_port = free_port(), free_port()
    given = {"streamSettings": {"sockopt": {"tcpMptcp": True}}}
    out = documents.vmess_outbound("next", carrier_port) | given
    document = documents.proxy([documents.door("door", port, target.port), documents.vmess_inbound("in", carrier_port) | given],
                               [out, FREE], [documents.rule("direct", inboundTag=["in"])])
    async with running(document) as instance:
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.write(b"ECHO\nabc")
        assert await reader.readexactly(3) == b"abc"
        [dialled] = [one for one in instance._ground.carriers.open if one.sock is not None]
        inbound = next(one for one in instance._running.inbounds.values() if one.entry.tag == "in")
        [accepted] = inbound.census.open
        for carrier in (dialled, accepted):
            assert carrier.sock is not None
            assert carrier.sock.getsockopt(socket.SOL_SOCKET, SO_PROTOCOL) == IPPROTO_MPTCP
            assert carrier.sock.getsockopt(SOL_MPTCP, MPTCP_INFO, 64) is not None
            assert tcp_info(carrier.sock) is None
        writer.close()
        await writer.wait_closed()


async def test_a_server_without_multipath_tcp_is_reached_all_the_same(target: Target) -> None:
    port = free_port()
    document = documents.proxy([documents.door("door", port, target.port)],
                               [FREE | {"streamSettings": {"sockopt": {"tcpMptcp": True}}}])
    async with running(document):
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.write(b"ECHO\nabc")
        assert await reader.readexactly(3) == b"abc"
        writer.close()
        await writer.wait_closed()


async def test_keep_alives_can_be_switched_off_for_carriers_too() -> None:
    port, carrier_port = free_port(), free_port()
    out = documents.vmess_outbound("next", carrier_port) | {"streamSettings": {"sockopt": {"tcpKeepAliveIdle": -1}}}
    document = documents.proxy([documents.door("door", port, 9), documents.vmess_inbound("in", carrier_port)], [out, FREE],
                               [documents.rule("direct", inboundTag=["in"])])
    async with running(document) as instance:
        _, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.write(b"x")
        await until(lambda: [one for one in instance._ground.carriers.open if one.sock is not None])
        [carrier] = instance._ground.carriers.open
        assert options_of(carrier, (socket.SOL_SOCKET, socket.SO_KEEPALIVE)) == [0]
        writer.close()


@pytest.mark.skipif(not is_privileged(), reason="marks need CAP_NET_ADMIN")
async def test_mark_and_interface_are_set_for_connections_and_datagrams(target: Target) -> None:
    async with both_ways(target, {"streamSettings": {"sockopt": {"mark": 77, "interface": "lo"}}}) as instance:
        [out] = instance._ground.clients.open
        assert out.sock is not None
        socks = [out.sock, *(listener.sock for listener in _udp_listeners(instance)), *_udp_sockets(instance)]
        assert len(socks) == 3
        for one in socks:
            assert one.getsockopt(socket.SOL_SOCKET, SO_MARK) == 77
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).startswith(b"lo\0")


def _udp_listeners(instance: Instance) -> list[Any]:
    return [listener for key, listener in instance._running.listeners.items() if key.network == "udp"]


def _udp_sockets(instance: Instance) -> list[socket.socket]:
    """Of the flows of those listeners."""
    flows = [flow for listener in _udp_listeners(instance) for flow in listener._flows.values()]
    return [sock for flow in flows for sock in flow.peer._socks.values()]


@pytest.mark.parametrize(("through", "seen"), [
    (OTHER, {OTHER}), ("127.0.0.8/31", {"127.0.0.8", "127.0.0.9"}), ("origin", {"127.0.0.3"}), ("srcip", {"127.0.0.4"})])
async def test_what_is_sent_through_an_address_comes_from_it(through: str, seen: set[str]) -> None:
    """Clients come from 127.0.0.4 to 127.0.0.3."""
    port, udp_port, server_port = free_port(), free_port(), free_port()
    doors = [documents.door("door", port, server_port), documents.door("udp", udp_port, server_port, "udp")]
    for door in doors:
        door["listen"] = "127.0.0.3"
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(tell_source, LOCALHOST, server_port)
    transport, _ = await loop.create_datagram_endpoint(Seen, local_addr=(LOCALHOST, server_port))
    async with running(documents.proxy(doors, [FREE | {"sendThrough": through}])):
        reader, writer = await asyncio.open_connection("127.0.0.3", port, local_addr=("127.0.0.4", 0))
        assert (await reader.read(100)).decode() in seen
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.bind(("127.0.0.4", 0))
            sock.connect(("127.0.0.3", udp_port))
            assert (await asked(sock, b"who am I")).decode() in seen
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()
    transport.close()


async def test_nothing_is_sent_past_an_address_that_is_not_of_this_host() -> None:
    port, server_port = free_port(), free_port()
    server = await asyncio.start_server(tell_source, LOCALHOST, server_port)
    document = documents.proxy([documents.door("door", port, server_port)], [FREE | {"sendThrough": "192.0.2.77"}])
    async with running(document):
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("way", [{"proxySettings": {"tag": "hop"}}, {"streamSettings": {"sockopt": {"dialerProxy": "hop"}}}],
                         ids=["proxySettings", "dialerProxy"])
async def test_datagrams_go_through_the_next_outbound_not_past_it(way: Json, target: Target) -> None:
    port, server_port = free_port(), free_port()
    doors = [documents.door("door", port, target.udp_port, "udp"), documents.vmess_inbound("in", server_port)]
    outbounds = [FREE | way, documents.vmess_outbound("hop", server_port), FREE | {"tag": "out"}]
    async with running(documents.proxy(doors, outbounds, [documents.rule("out", inboundTag=["in"])])) as instance:
        with datagram_client(port) as sock:
            assert await asked(sock, b"hello") == b"hello"
        counters = instance.stats(everything=True)
        assert counters["outbound>>>hop>>>traffic>>>uplink"] > 5
        assert counters["outbound>>>out>>>traffic>>>uplink"] == 5
        assert counters["outbound>>>direct>>>traffic>>>uplink"] == 0


async def test_names_are_resolved_before_the_next_outbound_or_the_outbound_itself_gets_them(target: Target) -> None:
    """`hosts` of the DNS section is all that knows the name, and only our side has it: the next outbound sees an address."""
    for changed in ({"streamSettings": {"sockopt": {"dialerProxy": "hop", "domainStrategy": "ForceIP"}}},
                    {"streamSettings": {"sockopt": {"dialerProxy": "hop"}}, "settings": {"domainStrategy": "ForceIP"}},
                    {"streamSettings": {"sockopt": {"dialerProxy": "hop"}}, "targetStrategy": "ForceIPv4"}):
        port, server_port = free_port(), free_port()
        door = documents.door("door", port, target.port, address="only.here.test")
        near = documents.proxy([door], [FREE | changed, documents.vmess_outbound("hop", server_port)])
        near["dns"] = {"hosts": {"only.here.test": LOCALHOST}}
        far = documents.proxy([documents.vmess_inbound("in", server_port)], [FREE])
        async with running(far), running(near):
            reader, writer = await asyncio.open_connection(LOCALHOST, port)
            writer.write(b"ECHO\nabc")
            assert await asyncio.wait_for(reader.readexactly(3), 5) == b"abc"
            writer.close()
            await writer.wait_closed()
