"""The commands that each platform's file has, as that platform would run them."""

import base64
import json
import re
import secrets
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.harness import commands

ROOT = commands.ROOT
#: Where docs/operations.md puts the product on a server of one's own.
HOME = "/srv/referrals"
UNITS = ROOT / "ops/systemd"


def text_of(name: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / name).read_text("utf-8")


def render_services() -> dict[str, dict[str, Any]]:
    """Return render.yaml's services by their type."""
    services = yaml.safe_load(text_of("render.yaml"))["services"]
    return {service["type"]: service for service in services}


def render_group() -> dict[str, str]:
    """Return the variables that web and worker share on Render, those that it makes, too."""
    (group,) = yaml.safe_load(text_of("render.yaml"))["envVarGroups"]
    return {
        each["key"]: each.get("value", a_generated_value()) for each in group["envVars"]
    }


def a_generated_value() -> str:
    """Return what Render's `generateValue` makes: 256 bits, in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def app_json() -> dict[str, Any]:
    """Return what app.json says."""
    found: dict[str, Any] = json.loads(text_of("app.json"))
    return found


def fly() -> dict[str, Any]:
    """Return what fly.toml says."""
    return tomllib.loads(text_of("fly.toml"))


def compose_services() -> dict[str, dict[str, Any]]:
    """Return compose.yaml's services."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(text_of("compose.yaml"))[
        "services"
    ]
    return services


def compose_command(name: str) -> list[str]:
    """Return the command of a service of ours, as Docker runs it."""
    # Compose has a meaning of its own for a single dollar sign.
    return [word.replace("$$", "$") for word in compose_services()[name]["command"]]


def image_command() -> list[str]:
    """Return what the image runs by itself."""
    (line,) = re.findall(r"^CMD (.*)$", text_of("Dockerfile"), re.MULTILINE)
    words: list[str] = json.loads(line)
    return words


def shell(command: str) -> list[str]:
    """Return how a platform with a shell runs `command`: Heroku, Render."""
    return ["sh", "-c", command]


class Unit:
    """A unit of systemd: the values of each key of one section, in order."""

    def __init__(self, name: str, section: str = "Service") -> None:
        self.path = UNITS / name
        _, _, rest = self.path.read_text("utf-8").partition(f"[{section}]\n")
        lines = rest.partition("\n[")[0].splitlines()
        pairs = (line.partition("=") for line in lines if line and line[0] != "#")
        self.values: dict[str, list[str]] = {}
        for key, _, value in pairs:
            self.values.setdefault(key, []).append(value)

    def commands(self, environment: Mapping[str, str]) -> list[list[str]]:
        """Return its commands for this checkout, with variables as systemd puts them in."""
        own = dict(line.split("=", 1) for line in self.values.get("Environment", ()))
        known = {**own, **environment}
        return [
            [
                re.sub(r"\$\{(\w+)\}", lambda found: known[found[1]], _here(word))
                for word in shlex.split(line)
            ]
            for line in self.values["ExecStart"]
        ]


def _here(word: str) -> str:
    return word.replace(f"{HOME}/.venv/bin", str(commands.PROGRAMS))


def place(text: str, replacements: Mapping[str, str]) -> str:
    """Return a configuration with what is this machine's own; each old text is in it."""
    for old, new in replacements.items():
        assert old in text, f"not in the file any more: {old}"
        text = text.replace(old, new)
    return text


def write_units(folder: Path) -> list[str]:
    """Write the units for this checkout into `folder`, and return their names."""
    paths = [path for path in sorted(UNITS.iterdir()) if path.suffix in _SUFFIXES]
    for path in paths:
        text = _here(path.read_text("utf-8")).replace(HOME, str(ROOT))
        (folder / path.name).write_text(text, "utf-8")
    return [path.name for path in paths]


_SUFFIXES = {".service", ".socket", ".target"}
