"""Generates the messages and stubs of acclimate.v1 from the .proto files when a wheel is built.

An editable install gets them beside the sources, any other wheel from a temporary folder. A source
distribution carries the .proto files, so that it builds without the rest of the repository.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# worker.proto is private to server and worker.
PUBLIC_PROTOS = (
    "admin_service",
    "artifact_service",
    "catalog_service",
    "error_reason",
    "explanation",
    "job",
    "job_service",
)


class GenerateStubs(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        protos = self.protos()
        if self.target_name == "sdist":
            for name in PUBLIC_PROTOS:
                path = f"acclimate/v1/{name}.proto"
                build_data["force_include"][str(protos / path)] = f"proto/{path}"
            return
        if version == "editable":
            generate(protos, Path(self.root) / "src")
            return
        self.generated = Path(tempfile.mkdtemp(prefix="acclimate-stubs-"))
        generate(protos, self.generated)
        for path in (self.generated / "acclimate" / "v1").iterdir():
            build_data["force_include"][str(path)] = f"acclimate/v1/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        generated = getattr(self, "generated", None)
        if generated is not None:
            shutil.rmtree(generated, ignore_errors=True)

    def protos(self) -> Path:
        root = Path(self.root)
        for folder in (root / "proto", root.parent.parent / "proto"):
            if (folder / "acclimate" / "v1" / "job.proto").exists():
                return folder
        raise FileNotFoundError(
            f"no acclimate/v1/job.proto in {root}/proto or {root.parent.parent}/proto: build from "
            "the repository or from a source distribution"
        )


def generate(protos: Path, into: Path) -> None:
    import google.rpc
    import grpc_tools
    from grpc_tools import protoc

    google_protos = Path(google.rpc.__path__[0]).parent.parent
    standard_protos = Path(grpc_tools.__path__[0]) / "_proto"
    into.mkdir(parents=True, exist_ok=True)
    arguments = ["protoc"]
    arguments += [f"-I{folder}" for folder in (protos, standard_protos, google_protos)]
    arguments += [f"--{kind}_out={into}" for kind in ("python", "pyi", "grpc_python")]
    arguments += [str(protos / "acclimate" / "v1" / f"{name}.proto") for name in PUBLIC_PROTOS]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed; its message is above")
    (into / "acclimate" / "v1" / "__init__.py").write_text(
        '"""The generated messages and stubs of the API, acclimate.v1."""\n', encoding="utf-8"
    )
    # Nothing but messages is in these three: their stubs would be empty.
    for name in PUBLIC_PROTOS:
        if not name.endswith("_service"):
            (into / "acclimate" / "v1" / f"{name}_pb2_grpc.py").unlink()


if __name__ == "__main__":  # beside the sources, for those who work on the package
    here = Path(__file__).resolve().parent
    generate(here.parent.parent / "proto", here / "src")
