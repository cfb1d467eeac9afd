"""One probe through one outbound."""

from __future__ import annotations

from proxycore.net.wheel import Wheel
from proxycore.observatory.probe import Probe, Prober, ProbeResult
from proxycore.protocols.base import Outbound
from proxycore.transport.chain import ChainedDial
from tests.proxycore.observatory.web import NO_CONTENT, URL, World


class Trial:
    """A probe through an outbound, or through none."""

    def __init__(self, world: World, outbound: Outbound | None, *, reads_body: bool = False) -> None:
        self.results: list[ProbeResult] = []
        self.prober = Prober(URL, "observatory", world.loop, Wheel(), 5.0, reads_body=reads_body)  # type: ignore[arg-type]
        self.dial = ChainedDial("a", lambda: outbound, world.loop.call_soon)

    def start(self) -> Probe:
        return self.prober.start(self.dial, self.results.append)


def test_an_answer_is_timed_and_the_connection_closed() -> None:
    world = World()
    web = world.web("a", 0.25)
    trial = Trial(world, web)
    trial.start()
    world.loop.advance(0.2)
    assert trial.results == []
    world.loop.advance(0.1)
    assert trial.results == [ProbeResult(250_000_000)]
    assert (web.requests[0].destination, web.requests[0].inbound_tag) == (URL.destination, "")
    assert web.servers[0].take().startswith(b"GET /204?x HTTP/1.1\r\nHost: probe.example\r\n")
    assert web.servers[0].closed


def test_any_status_is_an_answer() -> None:
    world = World()
    web = world.web("a")
    web.answer = b"HTTP/1.1 503 Sorry\r\nContent-Length: 5\r\n\r\n"
    trial = Trial(world, web)
    trial.start()
    world.loop.advance(0.1)
    assert trial.results == [ProbeResult(1)]


def test_with_the_body_the_answer_is_complete_at_its_end() -> None:
    world = World()
    web = world.web("a")
    web.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    trial = Trial(world, web, reads_body=True)
    trial.start()
    world.loop.advance(1.0)
    assert trial.results == []
    web.servers[0].peer.write(b"hello")
    world.loop.advance(0.1)
    assert trial.results == [ProbeResult(1_000_000_000)]


def test_silence_ends_after_the_timeout() -> None:
    world = World()
    web = world.web("a")
    web.delay_s = None
    trial = Trial(world, web)
    trial.start()
    world.loop.advance(4.9)
    assert trial.results == []
    world.loop.advance(0.2)
    assert trial.results == [ProbeResult(None, "no answer within 5 s")]
    assert web.servers[0].aborted
    web.servers[0].peer.write(NO_CONTENT)
    world.loop.advance(1.0)
    assert len(trial.results) == 1


def test_what_cannot_connect_is_a_failure_with_its_reason() -> None:
    world = World()
    web = world.web("a")
    web.refuses = True
    trial = Trial(world, web)
    trial.start()
    assert trial.results == []          # never before `start` has returned
    world.loop.turn()
    assert trial.results == [ProbeResult(None, "tcp:probe.example:80: refused")]


def test_an_outbound_that_is_gone_or_has_a_bug_is_a_failure() -> None:

    class Broken(Outbound):
        tag = "a"

        def open(self, request: object, stream: object) -> None:
            raise RuntimeError("a bug")

    for outbound, error in ((None, 'tcp:probe.example:80: there is no outbound "a"'), (Broken(), "it was cut off")):
        world = World()
        trial = Trial(world, outbound)
        trial.start()
        world.loop.turn()
        assert trial.results == [ProbeResult(None, error)]


def test_an_end_without_an_answer_is_a_failure() -> None:
    for end in ("close", "write_eof"):
        world = World()
        web = world.web("a")
        web.delay_s = None
        trial = Trial(world, web)
        trial.start()
        getattr(web.servers[0].peer, end)()
        world.loop.turn()
        assert trial.results == [ProbeResult(None, "it was closed without an answer")]


def test_what_is_not_http_is_a_failure() -> None:
    world = World()
    web = world.web("a")
    web.answer = b"220 mail.example\r\n\r\n"
    trial = Trial(world, web)
    trial.start()
    world.loop.advance(0.1)
    assert trial.results == [ProbeResult(None, "this is not HTTP/1.1")]
    assert web.servers[0].aborted


def test_a_stopped_probe_has_no_result() -> None:
    world = World()
    web = world.web("a", 1.0)
    trial = Trial(world, web)
    trial.start().stop()
    world.loop.advance(10.0)
    assert trial.results == []
    assert web.servers[0].aborted
