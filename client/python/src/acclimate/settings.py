"""Which server a client speaks to, and as whom: arguments, else the environment, else the profile
of ~/.config/acclimate/config.toml, as the command line takes them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from acclimate.errors import DataError

DEFAULT_SERVER = "127.0.0.1:50051"


@dataclass(frozen=True)
class Settings:
    server: str = DEFAULT_SERVER
    tenant: str = "default"
    token_file: str = ""
    tls: bool = False
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_server_name: str = ""

    @property
    def uses_tls(self) -> bool:
        return self.tls or bool(self.tls_ca) or bool(self.tls_cert)


_PATHS = ("token_file", "tls_ca", "tls_cert", "tls_key")


def load_settings(profile: str | None = None, **given: Any) -> Settings:
    """`given`: fields of Settings; None counts as not given."""
    profile = profile or os.environ.get("ACCLIMATE_PROFILE", "")
    values = _file_values(profile)
    for field in fields(Settings):
        variable = os.environ.get(f"ACCLIMATE_{field.name.upper()}", "")
        if variable:
            values[field.name] = variable
        if given.get(field.name) is not None:
            values[field.name] = given[field.name]
    if "tls" in values:
        values["tls"] = bool(values["tls"])
    for name in _PATHS:
        if values.get(name):
            values[name] = os.path.expanduser(values[name])
    settings = Settings(**values)
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise DataError("tls_cert and tls_key are needed together")
    return settings


def _file_values(profile: str) -> dict[str, Any]:
    named = os.environ.get("ACCLIMATE_CLIENT_CONFIG", "")
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    path = Path(named) if named else Path(folder) / "acclimate" / "config.toml"
    if not named and not path.exists():
        if profile:
            raise DataError(f"there is no {path}, in which a profile {profile!r} could be")
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # pyright: ignore[reportMissingImports]
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: {error}") from None
    profiles = table.pop("profile", {})
    if profile:
        if profile not in profiles:
            raise DataError(f"{path} has no profile {profile!r}; it has {sorted(profiles)}")
        table.update(profiles[profile])
    known = {field.name for field in fields(Settings)}
    for name, value in table.items():
        if name not in known:
            raise DataError(f"{path}: {name}: no such setting; there are {sorted(known)}")
        if not isinstance(value, (str, bool)):
            raise DataError(f"{path}: {name}: must be a string or true")
    return table
