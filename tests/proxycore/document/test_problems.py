"""Problems as lines."""

from __future__ import annotations

from proxycore.document.problems import DocumentError, Problem


def problem(
    line: int, column: int, severity: str = "error", file: str = "a.json", path: str = "inbounds[0].port", hint: str = ""
) -> Problem:
    assert severity in ("error", "warning")
    return Problem("error" if severity == "error" else "warning", file, line, column, path, "is required", hint)


def test_a_problem_is_one_line_that_editors_can_jump_to() -> None:
    assert problem(3, 14).render() == "a.json:3:14: error: inbounds[0].port: is required"
    assert problem(3, 14, "warning", hint="do this").render() == "a.json:3:14: warning: inbounds[0].port: is required (do this)"


def test_a_problem_of_a_whole_file_has_no_line() -> None:
    assert problem(0, 0, path="").render() == "a.json: error: is required"


def test_control_characters_of_the_file_do_not_reach_the_terminal() -> None:
    assert problem(1, 1, path='["a\x1b[31m\nb"]').render() == 'a.json:1:1: error: ["a\\x1b[31m\\nb"]: is required'


def test_problems_come_in_the_order_of_the_files_and_their_text() -> None:
    found = [problem(9, 1, file="b.json"), problem(2, 7), problem(2, 3, "warning"), problem(2, 3), problem(1, 9, file="b.json")]
    error = DocumentError(found)
    assert [(one.file, one.line, one.column, one.severity) for one in error.problems] == [
        ("b.json", 1, 9, "error"),
        ("b.json", 9, 1, "error"),
        ("a.json", 2, 3, "error"),
        ("a.json", 2, 3, "warning"),
        ("a.json", 2, 7, "error"),
    ]
    assert len(error.errors) == 4
