"""The page of all codes, docs/lint.md."""

from __future__ import annotations

from proxycore.document.lint.codes import Code
from proxycore.document.lint.registry import GROUPS

_HEAD = """\
# What the linter says

    python -m proxycore lint FILE... [--confdir DIR] [--format text|json|sarif] [--for CORE] [--fix]

The linter reads any Xray or V2Ray document, also with what this program does not run, and says what will not work, what
was probably not meant, and what is not safe. Several files stand side by side, a portal and its bridge, say; they are
not merged as `run` does it. Those of a folder (`--confdir`) are: they are one document. `--for` names the core that is to
run them: `xray-26.4.17`, `v2ray-4.34`, `v2fly-5`. `--fix` changes the files in place, not those of folders, and keeps
their comments and layout; `-` is standard input.

Exit code: 0 nothing but notes, 1 warnings, 2 wrong arguments, 23 errors, or a file that cannot be read.

**error**: it does not start, or does not work. **warning**: probably not meant, or unsafe. **note**: worth knowing.
*--fix*: can be mended automatically, at least in some cases.

This page is made from the program: `python -m proxycore.document.lint.page > docs/lint.md`.
"""


def render_page() -> str:
    """The page's text."""
    parts = [_HEAD]
    for title, codes in GROUPS:
        parts.append(f"## {title}\n")
        parts += [_entry(code) for code in codes]
    return "\n".join(parts)


def _entry(code: Code) -> str:
    fixable = ", *--fix*" if code.is_fixable else ""
    return (
        f"### {code.id} {code.name}\n\n**{code.severity}**{fixable}. {code.summary}\n\n{code.why}\n\nWhat to do: {code.remedy}\n"
    )


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_page())
