"""Corpora of the repository, unpacked once."""

import os
import pathlib
import sys
import tarfile

import pyarrow
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "tools"))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The directory of a corpus."""
    unpacked = {}

    def unpack(name):
        if name not in unpacked:
            target = tmp_path_factory.mktemp("corpora")
            archive = ROOT / "tests" / "fixtures" / f"{name}.tar.zst"
            with pyarrow.input_stream(str(archive), compression="zstd") as packed:
                with tarfile.open(fileobj=packed, mode="r|") as members:
                    members.extractall(target, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
            unpacked[name] = target / name
        return unpacked[name]

    return unpack


@pytest.fixture(scope="session")
def generate(tmp_path_factory):
    """Makes a snapshot with the repository's generator, which EKVSNAP_GENERATOR names."""
    import subprocess

    generator = os.environ.get("EKVSNAP_GENERATOR") or ROOT / "target" / "debug" / "examples" / "gen_snapshot"
    if not os.access(generator, os.X_OK):
        pytest.skip(f"{generator} is not built: cargo build --example gen_snapshot")

    made = {}

    def snapshot(workload, scale, *more):
        wanted = (workload, scale, *more)
        if wanted not in made:
            made[wanted] = tmp_path_factory.mktemp("generated") / "snapshot.fsm"
            command = [str(generator), workload, "--scale", str(scale), *more, "-o", str(made[wanted])]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return made[wanted]

    return snapshot
