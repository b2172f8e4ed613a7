"""What an image is made of, and which image will do."""

import io
import tarfile
from hashlib import sha256

import pytest
from msgspec import structs

from nanogrid.cli.images import Kind
from nanogrid.sandbox.docker_images import KINDS, _why_not, context
from nanogrid.sandbox.engine_answers import Image, ImageConfig

LABELS = {"nanogrid.content": sha256(context("python")).hexdigest(), "nanogrid.runtime": "python3.11"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_context_holds_all_that_its_dockerfile_names_and_is_always_the_same(kind):
    with tarfile.open(fileobj=io.BytesIO(context(kind))) as archive:
        names = archive.getnames()
        dockerfile = archive.extractfile("Dockerfile").read().decode()

    assert {"Dockerfile", "prepare.sh", "connect.py", "python.py", "nodejs.js"} <= set(names)
    assert not [name for name in names if name.endswith(".pyc")]
    assert "/nanogrid/connect.py" in dockerfile
    assert context(kind) == context(kind)


#: How the image differs from a good one, and what is said of it.
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, ""),
        ({"labels": None}, "another version"),
        ({"labels": LABELS | {"nanogrid.content": "0"}}, "another version"),
        ({"labels": {"nanogrid.content": LABELS["nanogrid.content"]}}, "not built to its end"),
        ({"volumes": {"/data": {}}}, "/data"),
    ],
)
def test_only_images_of_this_very_version_and_without_volumes_will_do(config, said):
    image = Image(id="sha256:1", config=structs.replace(ImageConfig(labels=LABELS), **config))

    assert said in _why_not(image, "python")
    assert bool(said) == bool(_why_not(image, "python"))


def test_the_command_line_builds_every_kind():
    assert tuple(Kind) == KINDS
