"""Tests and the page mirror the features: whoever reads one folder finds what belongs to it under the same name."""

from pathlib import Path

import pytest

import flask_realtime

ROOT = Path(__file__).resolve().parents[2]
FEATURES = sorted(
    folder.name for folder in (Path(flask_realtime.__path__[0]) / "features").iterdir() if (folder / "feature.py").exists()
)


@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_is_tested_under_its_name_by_real_clients(feature: str) -> None:
    assert (ROOT / "tests" / "e2e" / "features" / f"test_{feature}.py").exists()


@pytest.mark.parametrize("layer", ["unit", "integration", "e2e"])
def test_whatever_is_tested_as_a_feature_is_one(layer: str) -> None:
    files = (ROOT / "tests" / layer / "features").glob("test_*.py")
    assert [file.name for file in files if not file.stem.removeprefix("test_").startswith(tuple(FEATURES))] == []


@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_has_its_folder_in_the_page(feature: str) -> None:
    assert (ROOT / "example_app" / "frontend" / "src" / "features" / feature.replace("_", "-")).is_dir()
