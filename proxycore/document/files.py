"""Which files make the document: those that are named, those of a folder, or those that Xray looks for by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from proxycore.document.formats import FORMATS, format_of
from proxycore.document.problems import DocumentError, Problem

STDIN = "-"
STDIN_OF_XRAY = "stdin:"        # the same in Xray's command line
_CONFIG_VARIABLES = ("xray.location.config", "XRAY_LOCATION_CONFIG", "v2ray.location.config", "V2RAY_LOCATION_CONFIG")
_FOLDER_VARIABLES = ("xray.location.confdir", "XRAY_LOCATION_CONFDIR", "v2ray.location.confdir", "V2RAY_LOCATION_CONFDIR")


def files_to_read(
    named: Sequence[str], folders: Sequence[str], environ: Mapping[str, str], working_folder: Path | None = None
) -> list[str]:
    """The names of the files, in the order in which they are merged; `-` is standard input.

    First `named`, then the files of `folders` (without any: of the folder that the environment names), each folder's sorted by
    name. Where all this names none: `config.json` or its like in the working folder, then the `config.json` of the folder that
    the environment names, then standard input. Raises DocumentError for a folder that cannot be read or has no document.
    """
    found = [STDIN if name == STDIN_OF_XRAY else name for name in named]
    for folder in folders:
        found += _of_folder(folder)
    if not folders:
        folder = _first(environ, _FOLDER_VARIABLES)
        if folder and Path(folder).is_dir():
            found += _of_folder(folder)
    if found:
        return found
    here = Path.cwd() if working_folder is None else working_folder
    for ending in FORMATS:
        if (here / f"config{ending}").is_file():
            return [f"config{ending}" if working_folder is None else str(here / f"config{ending}")]
    folder = _first(environ, _CONFIG_VARIABLES)
    if folder and (Path(folder) / "config.json").is_file():
        return [str(Path(folder) / "config.json")]
    return [STDIN]


def _first(environ: Mapping[str, str], names: Sequence[str]) -> str:
    return next((environ[name] for name in names if name in environ), "")


def _of_folder(folder: str) -> list[str]:
    try:
        names = sorted(path.name for path in Path(folder).iterdir() if format_of(path.name) is not None and path.is_file())
    except OSError as error:
        raise DocumentError([Problem("error", folder, 0, 0, "", f"cannot be read: {error.strerror or error}")]) from None
    if not names:
        endings = ", ".join(FORMATS)
        raise DocumentError([Problem("error", folder, 0, 0, "", f"there is no document in this folder ({endings})")])
    return [str(Path(folder) / name) for name in names]
