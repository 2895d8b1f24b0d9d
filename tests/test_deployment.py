"""What is deployed: that the files hold together. No container engine and no cluster is needed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import ComposeSpecification

from service.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
KUBERNETES = ROOT / "deploy" / "kubernetes"

NAMES_OF_SETTINGS = {f"WHY_{name.upper()}" for name in Settings.model_fields} | {
    "WHY_CONFIG",
    "QDRANT_URL",
    "QDRANT_API_KEY",
}


def variables(text: str) -> set[str]:
    """Environment variables of Why that a file sets."""
    return set(re.findall(r"\b(?:WHY|QDRANT)_(?!_)[A-Z_]+\b(?=[:=\s])", text))


def test_compose_follows_the_specification() -> None:
    ComposeSpecification.model_validate(COMPOSE)


def test_what_compose_mounts_is_there() -> None:
    sources = [
        mount.split(":")[0]
        for service in COMPOSE["services"].values()
        for mount in service.get("volumes", ())
    ]
    named = {source for source in sources if not source.startswith(".")}
    assert named == set(COMPOSE["volumes"])
    assert all((ROOT / source).exists() for source in sources if source not in named)


def test_every_password_of_compose_is_asked_for_by_the_example() -> None:
    needed = set(re.findall(r"\$\{(\w+)[:?}-]", (ROOT / "compose.yaml").read_text()))
    example = (ROOT / "deploy" / "compose" / "example.env").read_text()
    assert needed == set(re.findall(r"^(\w+)=$", example, flags=re.MULTILINE))


@pytest.mark.parametrize(
    "path",
    [
        "compose.yaml",
        "Dockerfile",
        "deploy/kubernetes/base/why.yaml",
        "deploy/kubernetes/base/ingest.yaml",
    ],
)
def test_every_variable_is_a_setting(path: str) -> None:
    found = variables((ROOT / path).read_text())
    assert found
    assert found <= NAMES_OF_SETTINGS


def test_the_settings_of_compose_are_the_sample_company_on_servers(tmp_path: Path) -> None:
    given = (ROOT / "deploy" / "compose" / "why.toml").read_text()
    config = tmp_path / "why.toml"
    config.write_text(given.replace("/srv/company", str(ROOT / "data")))
    settings = load_settings(config)
    sample = load_settings(ROOT / "data" / "why.toml")
    kinds = [source.kind for source in settings.sources]
    assert kinds == [source.kind for source in sample.sources]
    assert all(source.path and source.path.exists() for source in settings.sources)
    assert settings.metrics_file is None


def test_the_settings_of_kubernetes_can_be_read() -> None:
    settings = load_settings(KUBERNETES / "base" / "why.toml")
    assert settings.grafana_url
    assert len(settings.sources) == 4


@pytest.fixture(scope="module", params=["base", "cluster"])
def manifests(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """What would be applied."""
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl")
    built = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES / request.param)],
        capture_output=True,
        text=True,
        check=True,
    )
    return list(yaml.safe_load_all(built.stdout))


def pods(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for manifest in manifests:
        spec = manifest.get("spec", {})
        job = spec.get("jobTemplate", {}).get("spec", {})
        template = spec.get("template") or job.get("template")
        if template:
            yield template["spec"]


@pytest.mark.real
def test_every_manifest_is_valid(manifests: list[dict[str, Any]]) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, "1.37", strict=True)


@pytest.mark.real
def test_every_container_is_bounded_and_has_no_privileges(manifests: list[dict[str, Any]]) -> None:
    for pod in pods(manifests):
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert container["resources"]["limits"]["memory"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert not container["securityContext"]["allowPrivilegeEscalation"]


@pytest.mark.real
def test_every_secret_is_one_that_the_page_says_how_to_make(
    manifests: list[dict[str, Any]],
) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    asked = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for pod in pods(manifests)
        for container in [*pod["containers"], *pod.get("initContainers", ())]
        for variable in container.get("env", ())
        if "valueFrom" in variable
    }
    assert asked == set(re.findall(r"--from-literal=([\w-]+)=", page))


@pytest.mark.real
def test_a_server_has_time_to_finish_its_questions(manifests: list[dict[str, Any]]) -> None:
    from service.surfaces.http.server import _GRACE_SECONDS

    needed = Settings().deadline + _GRACE_SECONDS
    (server,) = (one for one in manifests if one["kind"] == "Deployment")
    assert server["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > needed
    grace = COMPOSE["services"]["why"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > needed
