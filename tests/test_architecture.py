"""The house holds: arrows go down only, engines stay in their rooms, the screen and the environment in the cli."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "speechcli"
FLOORS = {
    "errors": 1,
    "core": 1,
    "numerics": 1,
    "spoken": 1,
    "timeline": 2,
    "media": 2,
    "backends": 3,
    "formats": 3,
    "alignment": 4,
    "scoring": 4,
    "pipeline": 5,
    "jobs": 6,
    "api": 7,
    "live": 7,
    "bench": 8,
    "cli": 9,
    "__main__": 10,
    "__init__": 0,  # the version
}
ENGINES = {
    "torch",
    "transformers",
    "accelerate",
    "ctranslate2",
    "onnxruntime",
    "openvino",
    "faster_whisper",
    "pocketsphinx",
    "pyannote",
    "kaldi_native_fbank",
    "scipy",
}
ENGINE_FILES = {
    "backends/whisper.py",
    "backends/whisper_times.py",
    "backends/openvino_encoder.py",
    "backends/openvino_decoder.py",
    "backends/openvino_layers.py",
    "backends/openvino_reader.py",
    "backends/ctranslate2_decoder.py",
    "backends/onnx_encoder.py",
    "backends/encoder_speed.py",
    "backends/vad_silero.py",
    "backends/placement.py",
    "backends/placement_torch.py",
    "backends/processors.py",
    "backends/vibevoice.py",
    "backends/vibevoice_onnx.py",
    "backends/qwen3_asr.py",
    "backends/align_embedded.py",
    "backends/align_qwen3.py",
    "backends/sphinx.py",
    "backends/align_ctc.py",
    "backends/voxtral_realtime.py",
    "backends/voxtral_live.py",
    "backends/voxtral_scribe.py",
    "backends/voxtral_stream.py",
    "backends/hf.py",
    "backends/devices.py",
    "backends/pyannote_pipeline.py",
    "backends/diarize_hf.py",
    "backends/diarize_embedded.py",
    "backends/clusters.py",
    "backends/wespeaker.py",
    "backends/graphs.py",
    "backends/moonshine.py",
    "backends/quiet_openvino.py",
    "scoring/speakers.py",  # pyannote.metrics, in the function that scores
}
DRAWN_BY = ("formats/plot.py", "bench/report/charts.py")  # in the function that draws
FILES = sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(tree: ast.AST, top_only: bool = False):
    """Modules a file imports; `top_only` leaves out those inside functions and under TYPE_CHECKING."""
    nodes = tree.body if top_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (parts[1] in FLOORS) else "__init__"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_imports_from_its_own_room_or_from_floors_below(path):
    tree = ast.parse(path.read_text())
    here = name_of(path).split("/")[0].removesuffix(".py")
    if here == "__init__":
        return  # the package's own door to its public names

    for module in imports(tree):
        if module.split(".")[0] == "speechcli":
            there = room_of(module)
            assert there == here or FLOORS[there] < FLOORS[here], f"{here} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_engines_are_imported_in_engine_files_only_and_those_by_nobody_at_their_top(path):
    tree = ast.parse(path.read_text())
    used = {module.split(".")[0] for module in imports(tree)} & ENGINES

    assert not used or name_of(path) in ENGINE_FILES, f"{name_of(path)} imports {used}"
    if name_of(path) in ENGINE_FILES:
        return  # it is loaded late itself
    for module in imports(tree, top_only=True):
        file = "/".join(module.split(".")[1:3]) + ".py"
        assert file not in ENGINE_FILES, f"{name_of(path)} imports {module} at its top"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_matplotlib_is_imported_where_pictures_are_drawn_and_when_they_are(path):
    tree = ast.parse(path.read_text())

    assert "matplotlib" not in {module.split(".")[0] for module in imports(tree, top_only=True)}
    if name_of(path) not in DRAWN_BY:
        assert "matplotlib" not in {module.split(".")[0] for module in imports(tree)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_screen_the_environment_and_signals_are_the_clis(path):
    if name_of(path).startswith("cli/") or name_of(path) == "__main__.py":
        return
    if name_of(path) == "backends/__init__.py":
        return  # nothing else keeps onnxruntime quiet, and a program that imports us is as offline as ours
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "input", "exit"), f"{name_of(path)}:{node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            told = f"{node.value.id}.{node.attr}"
            forbidden = {"os.environ", "os.getenv", "os.environb", "sys.stdout", "sys.stderr", "sys.exit", "sys.argv"}
            assert told not in forbidden, f"{name_of(path)}:{node.lineno} {told}"
            assert told != "signal.signal", f"{name_of(path)}:{node.lineno} {told}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_what_only_posix_has_is_not_imported_at_a_files_top(path):
    tops = set(imports(ast.parse(path.read_text()), top_only=True))

    assert not tops & {"fcntl", "resource", "termios", "pwd", "grp", "tty", "pty"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_gpl_code_is_imported_by_one_file_only(path):
    used = {module.split(".")[0] for module in imports(ast.parse(path.read_text()))}

    assert "pysrt" not in used or name_of(path) == "formats/srt.py"


def test_nobody_runs_code_that_comes_with_a_model():
    """No `trust_remote_code=True`, no pickle, no torch.load but of weights alone, for pyannote's are torch's own."""
    for path in FILES:
        text = path.read_text()
        assert "trust_remote_code" not in text, name_of(path)
        assert "pickle" not in text, name_of(path)
        loads = re.findall(r"\btorch\.load\b.*", text)
        assert not loads or name_of(path) == "backends/pyannote_pipeline.py", name_of(path)
        assert all(load.endswith("weights_only=True)") for load in loads), loads


def test_importing_the_package_loads_nothing():
    code = "import sys, speechcli; print([m for m in sys.modules if m.partition('.')[0] in ('numpy', 'typer', 'rich')])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
