"""Which xrev this is: agents are told."""

from __future__ import annotations

from typing import Final

from proxycore import api

VERSION: Final = api.__version__
