"""nginx and Caddy with the files of `ops/`, on free ports, with a certificate of their own."""

import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.certificates import Authority
from tests.harness.process import Process, free_port, listening
from tests.ops.deployment import place, text_of
from tests.ops.programs import find_program

HERE: Final = "127.0.0.1"
#: How long a client may be silent, in place of the ten seconds and more of the files.
SILENCE: Final = "2s"
#: As in the files, this is longer than the product lets a body be: see BODY_SECONDS.
LONGEST_BODY: Final = "4s"
BODY_SECONDS: Final = 2


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs, and what it has logged."""

    process: Process
    https: str
    http: str
    #: The authority that its certificate is of.
    bundle: Path
    logs: Callable[[], str]

    @property
    def port(self) -> int:
        """The port where it ends HTTPS."""
        return int(self.https.rpartition(":")[2])


def start_nginx(folder: Path, *upstreams: int) -> Proxy:
    """Start nginx in front of `upstreams`, ports of this machine."""
    folder.mkdir()
    plain, secure = free_port(), free_port()
    authority = Authority(folder)
    authority.server()
    certificate = "/etc/letsencrypt/live/referrals.example.com"
    servers = " ".join(f"server {HERE}:{port};" for port in upstreams)
    text = place(
        text_of("ops/nginx/referrals.conf"),
        {
            "server_name referrals.example.com;": f"server_name {HERE};",
            f"{certificate}/fullchain.pem": str(folder / "server.pem"),
            f"{certificate}/privkey.pem": str(folder / "server.pem"),
            "server 127.0.0.1:8000;": servers,
            "    listen [::]:80;\n": "",
            "    listen [::]:443 ssl http2;\n": "",
            "listen 80;": f"listen {HERE}:{plain};",
            "listen 443 ssl": f"listen {HERE}:{secure} ssl",
            "/var/log/nginx/": f"{folder}/",
            "/etc/nginx/": f"{folder}/",
            "client_header_timeout 10s;": f"client_header_timeout {SILENCE};",
            "client_body_timeout 10s;": f"client_body_timeout {SILENCE};",
        },
    )
    (folder / "referrals.conf").write_text(text, "utf-8")
    shared = text_of("ops/nginx/referrals-proxy.conf")
    (folder / "referrals-proxy.conf").write_text(shared, "utf-8")
    main = folder / "nginx.conf"
    main.write_text(_MAIN.format(folder=folder, user=_user()), "utf-8")
    command = [find_program("nginx"), "-p", str(folder), "-c", str(main)]
    process = Process(command, log=folder / "nginx.log")
    process.wait_until_ready(listening(secure))

    def logs() -> str:
        return "".join(path.read_text("utf-8") for path in folder.glob("*.log"))

    return Proxy(
        process=process,
        https=f"https://{HERE}:{secure}",
        http=f"http://{HERE}:{plain}",
        bundle=authority.bundle,
        logs=logs,
    )


def start_caddy(folder: Path, upstream: int) -> Proxy:
    """Start Caddy in front of `upstream`, a port of this machine."""
    folder.mkdir()
    plain, secure = free_port(), free_port()
    file = folder / "Caddyfile"
    text = place(
        text_of("ops/caddy/Caddyfile"),
        {
            "read_header 10s": f"read_header {SILENCE}",
            "read_body 40s": f"read_body {LONGEST_BODY}",
        },
    )
    file.write_text(text, "utf-8")
    command = [find_program("caddy"), "run", "--config", str(file)]
    process = Process(
        [*command, "--adapter", "caddyfile"],
        log=folder / "caddy.log",
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            # Its own authority, which signs for addresses that no other can.
            "XDG_DATA_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "CADDY_ADMIN": "off",
            "REFERRALS_ADDRESSES": f"http://{HERE}:{plain}, https://{HERE}:{secure}",
            "REFERRALS_UPSTREAM": f"{HERE}:{upstream}",
        },
    )
    bundle = folder / "caddy/pki/authorities/local/root.crt"
    process.wait_until_ready(lambda: bundle.exists() and _speaks_tls(secure, bundle))
    return Proxy(
        process=process,
        https=f"https://{HERE}:{secure}",
        http=f"http://{HERE}:{plain}",
        bundle=bundle,
        logs=lambda: process.log,
    )


START: Final[dict[str, Callable[..., Any]]] = {
    "nginx": start_nginx,
    "caddy": start_caddy,
}

#: What Debian's own nginx.conf says, as far as it matters here.
_MAIN: Final = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/main-error.log;
events {{ worker_connections 768; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log {folder}/access.log;
    include {folder}/referrals.conf;
}}
"""


def _speaks_tls(port: int, bundle: Path) -> bool:
    """Return whether somebody shows a certificate at `port`: Caddy makes it after its start."""
    context = ssl.create_default_context(cafile=bundle)
    try:
        with (
            socket.create_connection((HERE, port), timeout=1) as plain,
            context.wrap_socket(plain, server_hostname=HERE),
        ):
            return True
    except OSError:
        return False


def _user() -> str:
    # Who is not root runs it as oneself anyway.
    return "user root;" if os.geteuid() == 0 else ""
