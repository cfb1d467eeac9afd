"""Loaded before pytest-django reads the settings: no test talks to the Redis of a panel that runs from this folder.

REDIS_URL in the environment is kept: so the whole suite can be run with a real server.
"""

import os
import sys

# Images of Python often forbid it; the hundreds of processes that tests start would each compile the program again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

os.environ["REDIS_URL"] = os.environ.get("REDIS_URL") or "memory://"
