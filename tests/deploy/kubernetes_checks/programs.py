"""What the programs say of themselves: their commands, flags and variables."""

import dataclasses
import pathlib
import re
import subprocess


@dataclasses.dataclass(frozen=True)
class Programs:
    server_flags: frozenset
    server_variables: frozenset
    commands: frozenset  # of the client
    command_flags: dict  # flags of each command of the client that the manifests may use


def text_of(*command):
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def flags_in(text):
    return frozenset(re.findall(r"(?<![\w-])--([a-z][a-z0-9-]*)", text))


def read(folder):
    """Asks acclimated and acclimate in the folder. None where one of them is absent."""
    server, client = pathlib.Path(folder) / "acclimated", pathlib.Path(folder) / "acclimate"
    if not (server.is_file() and client.is_file()):
        return None
    server_help, client_help = text_of(server, "--help"), text_of(client, "--help")
    listed = client_help.partition("\nCommands:\n")[2].partition("\n\n")[0]
    commands = frozenset(re.findall(r"^  ([a-z]+(?: [a-z-]+)?)  ", listed, re.MULTILINE))
    return Programs(
        server_flags=flags_in(server_help),
        server_variables=frozenset(re.findall(r"\[(ACCLIMATE_[A-Z_]+)\]", server_help)),
        commands=commands,
        command_flags={command: flags_in(text_of(client, *command.split(), "--help"))
                       for command in commands})
