"""What a job came to: the verdict, the numbers behind it, and the page."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from acclimate.download import read_all
from acclimate.errors import DataError
from acclimate.flow import Flow
from acclimate.jobs import Job
from acclimate.session import Session

SCHEMA_VERSIONS = (1, 2)
_PAGE_HEIGHT_PIXELS = 720


class Report:
    """report.json of a job, with its page and lineage. In a notebook it shows the page."""

    def __init__(
        self,
        data: dict[str, Any],
        page: str = "",
        lineage: dict[str, Any] | None = None,
        job: Job | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        version = data.get("schema_version")
        if version not in SCHEMA_VERSIONS:
            raise DataError(
                f"the report has schema_version {version}; this package knows {SCHEMA_VERSIONS}: "
                "install the package of the server's version"
            )
        self.data = data  # report.json; docs/report.md describes its keys
        self.page = page  # report.html
        self.lineage = lineage or {}
        self.job = job
        self.notes = notes  # what the client did with model and data, a sentence each

    @classmethod
    def load(cls, folder: Path) -> Report:
        """Of a folder that `out` filled."""
        page, lineage = folder / "report.html", folder / "lineage.json"
        return cls(
            json.loads((folder / "report.json").read_text(encoding="utf-8")),
            page.read_text(encoding="utf-8") if page.exists() else "",
            json.loads(lineage.read_text(encoding="utf-8")) if lineage.exists() else None,
        )

    @property
    def verdict(self) -> str:
        """What the run came to, in a sentence or two."""
        return str(self.data.get("verdict", ""))

    @property
    def method(self) -> str:
        return str(self.data.get("method", ""))

    @property
    def warnings(self) -> list[str]:
        return [str(warning) for warning in self.data.get("warnings", [])]

    @property
    def metrics(self) -> dict[str, float]:
        metrics = self.data.get("metrics", {})
        return {name: float(value) for name, value in metrics.items() if value is not None}

    @property
    def source_accuracy(self) -> float | None:
        """Of the model as it came, on the labels given with `eval`."""
        return self._accuracy("source_only")

    @property
    def accuracy(self) -> float | None:
        """Of the returned model, on the labels given with `eval`."""
        adapted = self._accuracy("adapted")
        if adapted is not None:
            return adapted
        value = self.data.get("accuracy")
        return None if value is None else float(value)

    @property
    def estimated_accuracy(self) -> float | None:
        """Without labels; `metrics` has its interval."""
        return self.metrics.get("estimated_accuracy")

    @property
    def seconds(self) -> dict[str, float]:
        """By phase."""
        return {name: float(value) for name, value in self.data.get("seconds", {}).items()}

    def _accuracy(self, which: str) -> float | None:
        value = (self.data.get(which) or {}).get("accuracy")
        return None if value is None else float(value)

    def __str__(self) -> str:
        lines = [self.verdict or "this report holds no verdict"]
        if self.source_accuracy is not None and self.accuracy is not None:
            lines.append(f"accuracy: {self.source_accuracy:.1%} before, {self.accuracy:.1%} after")
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Report of {self.method}: {self.verdict}>"

    def _repr_html_(self) -> str:
        if not self.page:
            return f"<p>{html.escape(str(self))}</p>"
        return (
            f'<iframe srcdoc="{html.escape(self.page, quote=True)}" sandbox="allow-scripts" '
            f'style="width:100%;height:{_PAGE_HEIGHT_PIXELS}px;border:0"></iframe>'
        )


def fetch(session: Session, job: Job, notes: tuple[str, ...] = ()) -> Flow[Report]:
    files = {file.name: file.blob for file in job.files}
    if "report.json" not in files:
        raise DataError(f"job {job.id} has no report: it is {job.state}")
    data = yield from read_all(session, files["report.json"])
    page = b""
    if "report.html" in files:
        page = yield from read_all(session, files["report.html"])
    lineage = b"{}"
    if "lineage.json" in files:
        lineage = yield from read_all(session, files["lineage.json"])
    return Report(json.loads(data), page.decode("utf-8"), json.loads(lineage), job, notes)
