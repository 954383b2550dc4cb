"""Jobs over both clients: created once, listed, watched, cancelled, deleted."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import acclimate
import small_models
from acclimate.v1 import job_pb2


def short_job(client: Any, tmp_path: Any) -> job_pb2.JobSpec:
    path = tmp_path / "target.npz"
    small_models.save_npz(path, *small_models.points(200))
    return small_models.fresh_start(client.blobs.put(str(path)).name, epochs=1)


def test_a_job_runs_and_its_report_is_read(client: Any, tmp_path: Any) -> None:
    spec = short_job(client, tmp_path)
    spec.labels["team"] = "vision"
    job = client.jobs.create(spec)
    events = list(client.jobs.watch(job.name))
    cursors = [event.cursor for event in events if event.kind != "dropped"]
    assert cursors == sorted(set(cursors))
    assert acclimate.JobState.SUCCEEDED in [event.state for event in events]
    ended = client.jobs.wait(job.id)
    assert ended.state == acclimate.JobState.SUCCEEDED and ended.has_ended
    report = client.reports.get(ended)
    assert report.method == "finetune" and report.verdict and str(report).startswith(report.verdict)
    assert "<iframe" in report._repr_html_()
    assert job.id in [found.id for found in client.jobs.list(filter="label.team=vision")]
    client.jobs.delete(job.id)
    with pytest.raises(acclimate.NotFound):
        client.jobs.get(job.id)


def test_a_list_goes_over_its_pages(client: Any, tmp_path: Any) -> None:
    spec = short_job(client, tmp_path)
    spec.labels["list"] = tmp_path.name
    made = [client.jobs.create(spec).id for _ in range(5)]
    found = [job.id for job in client.jobs.list(filter=f"label.list={tmp_path.name}", page_size=2)]
    assert found == made[::-1]
    for job in made:
        client.jobs.wait(job)


def test_a_request_id_makes_one_job(client: Any, tmp_path: Any) -> None:
    spec = short_job(client, tmp_path)
    first = client.jobs.create(spec, request_id=f"once-{tmp_path.name}")
    assert client.jobs.create(spec, request_id=f"once-{tmp_path.name}").name == first.name
    spec.seed = 7
    with pytest.raises(acclimate.RequestIdReused) as caught:
        client.jobs.create(spec, request_id=f"once-{tmp_path.name}")
    assert caught.value.metadata["job"] == first.name
    client.jobs.wait(first.name)


def test_every_field_at_fault_is_named(client: Any) -> None:
    spec = job_pb2.JobSpec(method="dann", priority=1000)
    spec.hyperparameters["steps"].integer = -1
    spec.hyperparameters["no_such"].real = 1
    with pytest.raises(acclimate.InvalidArgument) as caught:
        client.jobs.create(spec)
    fields = {violation.field for violation in caught.value.fields}
    assert {
        "spec.priority",
        'spec.hyperparameters["steps"]',
        'spec.hyperparameters["no_such"]',
    } <= fields
    for field in fields:
        assert field in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_a_blob_that_is_not_there_has_its_reason(client: Any, tmp_path: Any) -> None:
    spec = short_job(client, tmp_path)
    spec.target.blob = f"tenants/default/blobs/{'0' * 64}"
    with pytest.raises(acclimate.BlobNotFound) as caught:
        client.jobs.create(spec)
    assert caught.value.reason == "BLOB_NOT_FOUND"
    assert caught.value.metadata["field"] == "spec.target.blob"


def test_a_running_job_is_cancelled(client: Any, long_job: Any) -> None:
    job = client.jobs.create(long_job(client))
    for event in client.jobs.watch(job.name):
        if event.kind == "progress":
            break
    client.jobs.cancel(job.id)
    assert client.jobs.wait(job.id).state == acclimate.JobState.CANCELLED
    with pytest.raises(acclimate.JobStateError):
        client.jobs.cancel(job.id)


def test_a_job_is_paused_and_resumed(client: Any, long_job: Any) -> None:
    job = client.jobs.create(long_job(client))
    paused = False
    for event in client.jobs.watch(job.name):
        if event.kind == "progress" and not paused:
            paused = True
            client.jobs.pause(job.id)
        if event.state == acclimate.JobState.PAUSED:
            assert client.jobs.resume(job.id).state == acclimate.JobState.QUEUED
            break
    client.jobs.cancel(job.id)
    retried = client.jobs.retry(client.jobs.wait(job.id).id)
    assert retried.proto.retry_of == job.name
    client.jobs.cancel(retried.id)
    client.jobs.wait(retried.id)


def test_a_watch_goes_on_after_the_server_was_killed(
    connect: Any, own_server: acclimate.Server, long_job: Any
) -> None:
    client = connect(own_server, patience=acclimate.Patience(reconnect=60))
    job = client.jobs.create(long_job(client))
    restarted = threading.Thread(target=lambda: (own_server.kill(), own_server.start()))
    cursors: list[int] = []
    attempts = set()
    for event in client.jobs.watch(job.name):
        if event.kind != "dropped":
            cursors.append(event.cursor)
        if event.kind == "progress" and event.proto.progress.step > 0:
            attempts.add(event.proto.attempt)
            if not restarted.ident:
                restarted.start()
            if len(attempts) > 1:
                break
    restarted.join()
    assert len(attempts) == 2
    assert cursors == sorted(set(cursors)) and cursors[0] == 1
    client.jobs.cancel(job.id)
    client.jobs.wait(job.id)


def test_the_catalogue_is_typed(client: Any) -> None:
    names = [method.name for method in client.methods.list()]
    assert "dann" in names and "auto" in names
    dann = client.methods.get("dann")
    assert dann.needs_source and dann.hyperparameters["steps"].type == "INTEGER"
    assert client.server_info().version
    with pytest.raises(acclimate.NotFound):
        client.methods.get("no_such")
