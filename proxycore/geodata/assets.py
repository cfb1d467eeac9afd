"""Finds and reads the lists that a document names; each is read once, however many rules name it."""

from __future__ import annotations

import difflib
import mmap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from proxycore.geodata.codec import DatError, Span, index_lists, read_domains, read_ranges
from proxycore.geodata.countries import COUNTRIES, PRIVATE, Country, private_addresses
from proxycore.geodata.references import GEOIP_FILE, AddressReference, DomainReference, address_reference, domain_reference
from proxycore.routing.address_set import AddressGroup, AddressList, AddressSet
from proxycore.routing.addresses import AddressItem, parse_address
from proxycore.routing.domain_set import DomainItem, DomainSet
from proxycore.routing.domains import parse_domain

MAX_FILE_BYTES: Final = 512 * 1024 * 1024
_VARIABLES: Final = ("xray.location.asset", "XRAY_LOCATION_ASSET", "v2ray.location.asset", "V2RAY_LOCATION_ASSET")
_PROGRAM_FOLDER: Final = Path(__file__).resolve().parents[2]
_SYSTEM_FOLDERS: Final = tuple(
    Path(folder) / name for name in ("xray", "v2ray") for folder in ("/usr/local/share", "/usr/share", "/opt/share")
)
_NEAR_CODES: Final = 3


def asset_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where files of lists are looked for, in this order.

    The folder that the environment names; without one the working directory and the folder of the program. Then the
    folders into which the cores' packages put them.
    """
    named = [Path(environ[name]) for name in _VARIABLES if environ.get(name)]
    own = tuple(named[:1]) if named else (Path.cwd(), _PROGRAM_FOLDER)
    return tuple(dict.fromkeys((*own, *_SYSTEM_FOLDERS)))


class Assets:
    """The lists of one document. Everything here raises ValueError with one sentence."""

    __slots__ = ("_addresses", "_domains", "_folders", "_indexes", "_paths")

    def __init__(self, environ: Mapping[str, str], *, folders: Iterable[Path] | None = None) -> None:
        self._folders = tuple(folders) if folders is not None else asset_folders(environ)
        self._paths: dict[str, Path | None] = {}
        self._indexes: dict[Path, Mapping[str, Span]] = {}
        self._domains: dict[DomainReference, DomainSet] = {}
        self._addresses: dict[tuple[str, str], AddressGroup] = {}

    def domain(self, text: str) -> DomainItem:
        """A domain entry of a rule; what names a list is read."""
        reference = domain_reference(text)
        return parse_domain(text) if reference is None else self._domain_set(reference)

    def address(self, text: str) -> AddressItem:
        """The same for an address entry."""
        reference = address_reference(text)
        if reference is None:
            return parse_address(text)
        return AddressList(self._address_group(reference), reference.is_negated, text)

    def _domain_set(self, reference: DomainReference) -> DomainSet:
        same = reference._replace(text="")
        found = self._domains.get(same)
        if found is not None:
            return found
        path = self._find(reference.file)
        if path is None:
            raise ValueError(self._missing(reference.file))
        span = self._span(path, reference.code)
        with _reading(path, span) as body:
            lists = read_domains(body, reference.attributes)
        try:
            found = DomainSet(
                reference.text, full=lists.full, suffixes=lists.domains, keywords=lists.keywords, regexps=lists.regexps
            )
        except ValueError as error:
            raise ValueError(f"{path}: a pattern of this list cannot be used: {error}") from None
        if not found:
            wanted = ", ".join(sorted(reference.attributes))
            raise ValueError(f"no entry of this list has the attributes {wanted}" if wanted else "the list is empty")
        self._domains[same] = found
        return found

    def _address_group(self, reference: AddressReference) -> AddressGroup:
        key = (reference.file, reference.code)
        found = self._addresses.get(key)
        if found is None:
            found = self._addresses[key] = self._read_addresses(*key)
        return found

    def _read_addresses(self, file: str, code: str) -> AddressGroup:
        path = self._find(file)
        if file == GEOIP_FILE and code == PRIVATE and (path is None or code not in self._index(path)):
            return private_addresses()
        if path is None:
            if file == GEOIP_FILE:
                return self._country(code)
            raise ValueError(self._missing(file))
        span = self._span(path, code)
        with _reading(path, span) as body:
            ranges = read_ranges(body)
        return AddressSet(ranges.v4, ranges.v6)

    def _country(self, code: str) -> Country:
        if code in COUNTRIES:
            return Country(code)
        message = f"there is no country {_shown(code)}{_near(code, [*COUNTRIES, PRIVATE])}; for other lists"
        raise ValueError(f"{message} {self._missing(GEOIP_FILE)}")

    def _find(self, file: str) -> Path | None:
        if file not in self._paths:
            self._paths[file] = next((folder / file for folder in self._folders if (folder / file).is_file()), None)
        return self._paths[file]

    def _missing(self, file: str) -> str:
        return f"the file {file} is needed, and it is not in {', '.join(str(folder) for folder in self._folders)}"

    def _index(self, path: Path) -> Mapping[str, Span]:
        if path not in self._indexes:
            with _mapped(path) as data:
                self._indexes[path] = index_lists(data)
        return self._indexes[path]

    def _span(self, path: Path, code: str) -> Span:
        index = self._index(path)
        if code not in index:
            raise ValueError(f"{path} has no list {_shown(code)}{_near(code, index)}")
        return index[code]


def _shown(code: str) -> str:
    return f'"{code[:40].lower()}"'


def _near(code: str, codes: Iterable[str]) -> str:
    near = difflib.get_close_matches(code[:64], codes, n=_NEAR_CODES)
    return f"; near to it are {', '.join(name.lower() for name in near)}" if near else ""


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    """The file's bytes, not copied. An OSError is told as ValueError, and what is wrong in the file with its name."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if not 0 < size <= MAX_FILE_BYTES:
                raise DatError("it is empty" if not size else f"it has more than {MAX_FILE_BYTES} bytes")
            with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
                yield data
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    except DatError as error:
        raise ValueError(f"{path} cannot be used: {error}") from None


@contextmanager
def _reading(path: Path, span: Span) -> Iterator[bytes]:
    """The bytes of one list."""
    with _mapped(path) as data:
        if span.end > len(data):
            raise DatError("it was changed while it was read")
        yield data[span.start : span.end]
