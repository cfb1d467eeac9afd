from __future__ import annotations

import pytest

from dashboard.admin.code_view import MAX_LINES, code_lines


def shown(text: str) -> str:
    return "".join(str(line.html) for line in code_lines(text)[0])


def test_keys_values_and_masks_are_told_apart() -> None:
    html = shown('{"id": "••••••••", "n": -1.5, "on": true, "text": "<b>"}')
    assert '<span class="k">&quot;id&quot;</span>' in html
    assert '<span class="m">&quot;••••••••&quot;</span>' in html
    assert '<span class="n">-1.5</span>' in html
    assert '<span class="w">true</span>' in html
    assert '<span class="s">&quot;&lt;b&gt;&quot;</span>' in html
    assert "<b>" not in html


@pytest.mark.parametrize("text", ['{"a": "unfinished', "/* never ended\n{", '{"a": \\ ☃ }', "", "\n\n", '{"x": "\\"", # note\n}'])
def test_any_text_is_shown_whole(text: str) -> None:
    lines, total = code_lines(text)
    plain = "\n".join("".join(part.split("</span>")[0] for part in str(line.html).split('">')[1:]) for line in lines)
    assert plain.replace("&quot;", '"') == text.removesuffix("\n")
    assert total >= len(lines)


def test_a_comment_over_several_lines_is_one_on_each() -> None:
    lines, _ = code_lines("/* one\ntwo */ 3")
    assert str(lines[1].html).startswith('<span class="c">two */</span>')


def test_only_the_lines_around_a_note() -> None:
    text = "\n".join(str(number) for number in range(1, 101))
    lines, total = code_lines(text, {50: (2, "here")}, around=2)
    assert [line.number for line in lines] == [48, 49, 50, 51, 52]
    assert [line.note for line in lines] == ["", "", "here", "", ""]
    assert lines[2].pointer == " ^ "
    assert total == 100


def test_a_long_document_is_cut_and_says_so() -> None:
    lines, total = code_lines("1\n" * (MAX_LINES + 7))
    assert (len(lines), total) == (MAX_LINES, MAX_LINES + 7)
