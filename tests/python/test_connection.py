"""Which server a client speaks to, and what is said when it cannot be reached."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

import acclimate
from acclimate.proxies import host_of, is_local
from acclimate.server import find_program
from acclimate.settings import load_settings

IMPATIENT = acclimate.Patience(first_contact=0.2, reconnect=0.2)


def unused_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_no_server_is_said_with_what_helps() -> None:
    with acclimate.Client(unused_address(), patience=IMPATIENT) as client:
        with pytest.raises(acclimate.Unavailable, match="cannot be reached.*acclimated serve"):
            client.server_info()


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "grpc_proxy"])
def test_loopback_never_goes_through_a_proxy(
    connect: Any, server: acclimate.Server, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"http://{unused_address()}")
    assert connect(server, patience=IMPATIENT).server_info().version


def test_a_proxy_in_the_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = unused_address()
    monkeypatch.setenv("http_proxy", f"http://user:secret@{proxy}")
    with acclimate.Client("acclimate.example:50051", patience=IMPATIENT) as client:
        with pytest.raises(acclimate.Unavailable) as caught:
            client.server_info()
    assert f"http_proxy sends the calls through the proxy {proxy}" in str(caught.value)
    assert "add acclimate.example to no_proxy" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_host_that_needs_no_proxy_is_not_blamed_on_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://{unused_address()}")
    monkeypatch.setenv("no_proxy", "other.example,.invalid")
    with acclimate.Client("acclimate.invalid:50051", patience=IMPATIENT) as client:
        with pytest.raises(acclimate.Unavailable) as caught:
            client.server_info()
    assert "http_proxy" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "host", "local"),
    [
        ("127.0.0.1:50051", "127.0.0.1", True),
        ("[::1]:50051", "::1", True),
        ("localhost:80", "localhost", True),
        ("unix:/run/acclimate", "", True),
        ("dns:///acclimate.example:443", "acclimate.example", False),
        ("127.example.org:1", "127.example.org", False),
        ("10.0.0.1:1", "10.0.0.1", False),
    ],
)
def test_addresses(address: str, host: str, local: bool) -> None:
    assert is_local(address) == local
    if host:
        assert host_of(address) == host


def test_settings_come_from_arguments_environment_and_profile(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('server = "a:1"\ntenant = "one"\n[profile.lab]\nserver = "b:2"\n')
    monkeypatch.setenv("ACCLIMATE_CLIENT_CONFIG", str(config))
    assert load_settings().server == "a:1"
    assert load_settings("lab").server == "b:2" and load_settings("lab").tenant == "one"
    monkeypatch.setenv("ACCLIMATE_SERVER", "c:3")
    assert load_settings("lab").server == "c:3"
    assert load_settings("lab", server="d:4").server == "d:4"
    with pytest.raises(acclimate.DataError, match="no profile 'none'"):
        load_settings("none")
    config.write_text("sever = 'a:1'\n")
    with pytest.raises(acclimate.DataError, match="sever: no such setting"):
        load_settings()


def test_a_token_does_not_leave_this_machine_unencrypted(tmp_path: Any) -> None:
    token = tmp_path / "token"
    token.write_text("abc\n")
    with pytest.raises(acclimate.DataError, match="unencrypted"):
        acclimate.Client("acclimate.example:1", token_file=str(token))
    acclimate.Client("127.0.0.1:1", token_file=str(token)).close()
    token.write_text("\n")
    with pytest.raises(acclimate.DataError, match="first line is empty"):
        acclimate.Client("127.0.0.1:1", token_file=str(token))


def test_a_server_that_does_not_start_says_why(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(acclimate.ServerNotStarted, match="no-such-flag"):
        acclimate.Server(flags=["--no-such-flag"])
    monkeypatch.setenv("ACCLIMATE_BIN", str(tmp_path))
    with pytest.raises(acclimate.ServerNotStarted, match="there is no program"):
        acclimate.Server()
    monkeypatch.delenv("ACCLIMATE_BIN")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(acclimate.ServerNotStarted, match="set ACCLIMATE_BIN"):
        acclimate.Server()


def test_a_server_leaves_nothing_in_a_temporary_folder() -> None:
    with acclimate.Server(slots=0) as server:
        folder = server.data_dir
        assert folder.exists() and server.pid
    assert not folder.exists() and server.pid is None


def test_the_command_line_keeps_loopback_off_proxies_and_names_them(
    server: acclimate.Server,
) -> None:
    program = Path(find_program()).with_name("acclimate")
    environment = {**os.environ, "http_proxy": f"http://user:secret@{unused_address()}"}

    def info(address: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "--server", address, "server", "info"],
            env=environment,
            capture_output=True,
            text=True,
        )

    assert info(server.address).returncode == 0
    away = info("acclimate.invalid:50051")
    assert away.returncode == 3
    assert "http_proxy sends the calls through the proxy 127.0.0.1:" in away.stderr
    assert "add acclimate.invalid to no_proxy" in away.stderr and "secret" not in away.stderr
