from __future__ import annotations

from proxycore.agent.log_ring import MAX_CHARS, MAX_LINE_CHARS, MAX_LINES, LogRing


def test_the_last_lines_of_a_level_and_above_oldest_first() -> None:
    ring = LogRing()
    ring.add([(1, "debug", "a"), (2, "warning", "b"), (3, "info", "c"), (4, "error", "d"), (5, "output", "e")])
    assert [text for _, _, text in ring.last(10)] == list("abcde")
    assert [text for _, _, text in ring.last(10, "warning")] == list("bd")
    assert [text for _, _, text in ring.last(1, "warning")] == ["d"]
    assert [text for _, _, text in ring.last(2, "info")] == list("de")
    assert ring.last(0) == []


def test_lines_and_characters_are_bounded() -> None:
    ring = LogRing()
    ring.add((n, "info", str(n)) for n in range(MAX_LINES + 5))
    assert len(ring.last(10_000)) == MAX_LINES
    assert ring.last(10_000)[0][2] == "5"
    ring.add((n, "info", "x" * MAX_LINE_CHARS * 3) for n in range(MAX_LINES))
    kept = ring.last(10_000)
    assert sum(len(text) for _, _, text in kept) <= MAX_CHARS
    assert len(kept[-1][2]) < MAX_LINE_CHARS + 10
