"""An nginx that says who it thinks came."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import partial

from tests.support.processes import Processes, until

CONFIGURATION = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  {servers}
}}
"""
SERVER = 'server {{ listen {listen}; {more} location / {{ return 200 "{says} $proxy_protocol_addr $request_uri"; }} }}'


def accepts_at(path: str) -> bool:
    """Whether somebody listens on the Unix socket (it is there a moment before)."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(path) == 0


def nginx(processes: Processes, program: str, servers: Sequence[tuple[str, str]], more: str = "") -> None:
    """Listens on each first part, and answers with the second, the client's address of the PROXY header, and the path.
    `more` is said in each server."""
    folder = processes.folder
    text = CONFIGURATION.format(
        folder=folder, servers="\n  ".join(SERVER.format(listen=one, says=says, more=more) for one, says in servers))
    (folder / "nginx.conf").write_text(text)
    process = processes.start("nginx", [program, "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    for listen, _ in servers:
        where = listen.split()[0]
        if where.startswith("unix:"):
            until("nginx listens", partial(accepts_at, where.removeprefix("unix:")), 15)
        else:
            process.await_port(int(where.rpartition(":")[2]))
