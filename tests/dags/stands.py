"""Stand-in images for one test session, on the real Docker engine, and what containers of theirs are there."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCKERFILE = (
    'FROM python:3.13-slim-trixie\nCOPY {step}.py /step.py\nUSER 10001\nENTRYPOINT ["python", "-u", "/step.py"]\n'
)


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"docker {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Stands:
    name: str
    folder: Path

    def image(self, step: str) -> str:
        return f"{self.name}/{step}:1"

    def build(self, **programs: str) -> None:
        for step, program in programs.items():
            (self.folder / f"{step}.py").write_text(program)
            (self.folder / "Dockerfile").write_text(DOCKERFILE.format(step=step))
            docker("build", "--quiet", "--tag", self.image(step), str(self.folder))

    def containers(self, *more: str) -> list[str]:
        """Ids of the containers of these images, running or not."""
        found = docker("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Image}}", *more).splitlines()
        return [line.split()[0] for line in found if line.split()[1].startswith(f"{self.name}/")]

    def inspected(self) -> list[dict[str, Any]]:
        found = self.containers()
        return list(json.loads(docker("inspect", *found))) if found else []

    def settings(self, steps: dict[str, Any] | None = None) -> dict[str, str]:
        """What makes Airflow launch here; `steps` are of steps.yaml."""
        file = self.folder / "steps.yaml"
        every = {"cpu": 0.5, "memory": "256Mi", "scratch": "16Mi", "minutes": 2}
        file.write_text(json.dumps({"every": every, "steps": steps or {}}))
        return {"LAUNCH": "docker", "LAUNCH_STEPS": str(file), "REGISTRY": self.name, "TAG": "1"}
