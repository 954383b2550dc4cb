"""The whole job of docs/api.md: from a shell, in Go and in Java, against a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import acclimate
import small_models

ROOT = Path(__file__).resolve().parents[2]
PROTOS = (
    "admin_service",
    "artifact_service",
    "catalog_service",
    "error_reason",
    "explanation",
    "job",
    "job_service",
)
GOOGLE_PROTOS = ("code", "status", "error_details")
DEBIAN_GO = Path("/usr/share/gocode")
DEBIAN_JARS = Path("/usr/share/java")
JARS = (
    "error_prone_annotations",
    "geronimo-annotation-1.3-spec",
    "grpc-api",
    "grpc-context",
    "grpc-core",
    "grpc-netty",
    "grpc-protobuf",
    "grpc-protobuf-lite",
    "grpc-stub",
    "guava",
    "jsr305",
    "protobuf",
)


def block(language: str) -> str:
    """The document's one block in that language."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.M | re.S)
    assert len(found) == 1
    return str(found[0])


def run(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"there is no {', '.join(missing)}")


@pytest.fixture
def folder(tmp_path: Any) -> Path:
    small_models.save_npz(tmp_path / "target.npz", *small_models.points(200, seed=os.getpid()))
    return Path(tmp_path)


def test_the_job_from_a_shell(folder: Path, server: acclimate.Server) -> None:
    need("jq", "sha256sum")
    programs = folder / "programs"
    programs.mkdir()
    # This Python, which has google_crc32c; and what stands in for a grpcurl that is not there.
    commands = {"python3": f'"{sys.executable}"'}
    if shutil.which("grpcurl") is None:
        source = Path(__file__).with_name("grpcurl_stand_in.py")
        commands["grpcurl"] = f'"{sys.executable}" "{source}"'
    for name, command in commands.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        (programs / name).chmod(0o755)
    said = run(
        ["bash", "-euo", "pipefail", "-c", block("bash")],
        folder,
        SERVER=server.address,
        PATH=f"{programs}:{os.environ['PATH']}",
    )
    assert "acclimate.v1.JobService" in said
    verdict = json.loads((folder / "report.json").read_text(encoding="utf-8"))["verdict"]
    assert said.rstrip().endswith(verdict)


def test_the_job_in_go(folder: Path, server: acclimate.Server) -> None:
    need("go", "protoc", "protoc-gen-go")
    if not (DEBIAN_GO / "src" / "google.golang.org" / "grpc").exists():
        pytest.skip("there is no golang-google-grpc-dev")
    # Debian's generator is of before these packages of Google moved.
    old = {
        f"google/protobuf/{name}.proto": f"github.com/golang/protobuf/ptypes/{name}"
        for name in ("any", "duration", "empty", "timestamp")
    }
    old["google/protobuf/descriptor.proto"] = "github.com/golang/protobuf/protoc-gen-go/descriptor"
    mapped = ",".join(f"M{proto}={package}" for proto, package in old.items())
    source = folder / "go" / "src"
    (source / "job").mkdir(parents=True)
    generate(f"--go_out=plugins=grpc,{mapped}:{source}")
    (source / "job" / "main.go").write_text(block("go"), encoding="utf-8")
    run(
        ["go", "build", "-o", str(folder / "job"), "."],
        source / "job",
        GO111MODULE="off",
        GOPATH=f"{folder / 'go'}:{DEBIAN_GO}",
        GOCACHE=str(folder / "cache"),
        GOFLAGS="",
    )
    said = run([str(folder / "job"), server.address, "target.npz"], folder)
    assert "JOB_STATE_SUCCEEDED" in said and "report.json tenants/default/blobs/" in said


def test_the_job_in_java(folder: Path, server: acclimate.Server) -> None:
    need("javac", "java", "protoc", "grpc_java_plugin")
    jars = [DEBIAN_JARS / f"{name}.jar" for name in JARS]
    missing = [jar.name for jar in jars if not jar.exists()]
    if missing:
        pytest.skip(f"there is no {', '.join(missing)}")
    jars += sorted(DEBIAN_JARS.glob("netty*.jar")) + sorted(DEBIAN_JARS.glob("perfmark*.jar"))
    source, classes = folder / "java", folder / "classes"
    source.mkdir()
    plugin = shutil.which("grpc_java_plugin")
    generate(
        f"--plugin=protoc-gen-grpc-java={plugin}",
        f"--java_out={source}",
        f"--grpc-java_out={source}",
        *(f"google/rpc/{name}.proto" for name in GOOGLE_PROTOS),
    )
    (source / "AdaptationJob.java").write_text(block("java"), encoding="utf-8")
    path = ":".join(str(jar) for jar in jars)
    files = [str(file) for file in sorted(source.rglob("*.java"))]
    run(["javac", "-nowarn", "-cp", path, "-d", str(classes), *files], folder)
    if not any(DEBIAN_JARS.glob("netty*.jar")):
        pytest.skip("it compiles; to run it there is no libnetty-java")
    said = run(
        ["java", "-cp", f"{classes}:{path}", "AdaptationJob", server.address, "target.npz"], folder
    )
    assert "JOB_STATE_SUCCEEDED" in said and "report.json tenants/default/blobs/" in said


def generate(*options: str) -> None:
    files = [f"acclimate/v1/{name}.proto" for name in PROTOS]
    run(["protoc", "-I.", *options, *files], ROOT / "proto")
