# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the overlay's commands, on a small made-up base."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "dev"))
import overlay  # noqa: E402
import overlay_base  # noqa: E402
from merging import merge_module  # noqa: E402
from overlay import OverlayError  # noqa: E402

FIT = '''"""Fitting."""


def run():
    """Run."""
    return 1


class Fit:
    """A fit."""

    def first(self):
        return 1

    def other(self):
        return 2
'''
OURS = """def run():
    return _upstream_run() + 1


class Fit:
    def first(self):
        return 3
"""
FILES = {"__init__.py": "", "fit.py": FIT, "data/a.txt": "a\n", "fast.so": "\0"}


def write(folder, files):
    """Write texts to files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def read(folder):
    """Bytes of all files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def make_base(folder, version="2.1"):
    """Write a base as pip would install it."""
    info = f"gammapy-{version}.dist-info"
    metadata = f"Metadata-Version: 2.4\nName: gammapy\nVersion: {version}\n"
    record = f"{info}/licenses/LICENSE.rst,,\n{info}/METADATA,,\ngammapy/fit.py,,\n"
    write(folder / "gammapy", FILES)
    write(folder / "gammapy" / "__pycache__", {"fit.pyc": ""})
    write(
        folder / info,
        {"METADATA": metadata, "RECORD": record, "licenses/LICENSE.rst": "BSD"},
    )
    return folder


def git(folder, *arguments):
    """Run git in a folder."""
    user = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *user, *arguments], cwd=folder, check=True)


@pytest.fixture
def base(tmp_path):
    """Folder of a base."""
    return make_base(tmp_path / "base")


@pytest.fixture
def root(tmp_path, base):
    """Folder of an overlay of one merged and two new files, locked."""
    root = tmp_path / "root"
    write(root, {"gammapy/fit.py": OURS, "gammapy/new.py": "x = 1\n"})
    write(root, {"gammapy/more/__init__.py": "", "gammapy/data/__pycache__/a.pyc": ""})
    write(root, {"gammapy/.DS_Store": "", "gammapy/fit.py~": "", "gammapy/.a.swp": ""})
    write(root, {"dev/private_names.toml": '_upstream_run = "_run_once"\n'})
    assert overlay.main(["lock", "--base", str(base)], root) == 0
    return root


@pytest.fixture
def command(root, base, capsys):
    """Function that runs a command and returns its exit status and what it prints."""
    capsys.readouterr()

    def run(name, *arguments):
        if name != "export":
            arguments = ("--base", str(base), *arguments)
        status = overlay.main([name, *map(str, arguments)], root)
        out, err = capsys.readouterr()
        assert (err == "") == (status == 0)
        return status, out + err

    return run


class TestMerge:
    def test_tree(self, command, root):
        summary = "2 files copied, 1 merged, 1 definitions replaced, 1 wrapped\n"
        assert command("merge") == (0, summary)
        merged = read(root / "build" / "merged")
        assert list(merged) == [
            ".merged",
            "gammapy/__init__.py",
            "gammapy/data/a.txt",
            "gammapy/fast.so",
            "gammapy/fit.py",
            "gammapy/more/__init__.py",
            "gammapy/new.py",
        ]
        assert b"def _upstream_run" in merged["gammapy/fit.py"]
        assert [path.name for path in (root / "build").iterdir()] == ["merged"]

        times = [path.stat().st_mtime_ns for path in (root / "build").rglob("*.py")]
        assert command("merge")[0] == 0
        assert read(root / "build" / "merged") == merged
        assert times == [
            path.stat().st_mtime_ns for path in (root / "build").rglob("*.py")
        ]

    def test_out(self, command, tmp_path):
        assert command("merge", "--out", tmp_path / "a" / "b")[0] == 0
        assert (tmp_path / "a" / "b" / "gammapy" / "new.py").exists()

    def test_refused_merge_leaves_the_earlier_tree(self, command, root):
        command("merge")
        before = read(root / "build")
        write(root, {"gammapy/fit.py": OURS + "print(1)\n"})
        assert command("merge")[0] == 1
        assert read(root / "build") == before

    @pytest.mark.parametrize("target", ["copytree", "rename"])
    def test_interrupted_merge_leaves_the_earlier_tree(
        self, command, root, base, monkeypatch, target
    ):
        command("merge")
        before = read(root / "build")
        rename = Path.rename

        def interrupt(path, *args, **kwargs):
            if target == "rename" and path.parent.name == "merged":
                return rename(path, *args)
            if target == "rename" and path.name == "earlier":
                return rename(path, *args)
            raise KeyboardInterrupt

        owner = Path if target == "rename" else overlay.shutil
        monkeypatch.setattr(owner, target, interrupt)
        with pytest.raises(KeyboardInterrupt):
            overlay.merge(overlay.open_base(base), root=root)
        assert read(root / "build") == before


class TestErrors:
    def test_all_are_listed(self, command, root):
        write(root, {"gammapy/new.py": "x = (\n", "gammapy/data/a.txt": "b"})
        write(root, {"gammapy/fit.py": "\nprint(1)\n", "gammapy/__init__.py": ""})
        status, text = command("check")
        assert status == 1
        assert text.splitlines() == [
            "gammapy/__init__.py:1: targets nothing: it leaves the base as it is",
            "gammapy/data/a.txt:1: is in the base: only Python modules are merged",
            "gammapy/fit.py:2: refused statement `print(1)`: an overlay module holds"
            " imports and definitions only",
            "gammapy/new.py:1: '(' was never closed",
        ]

    def test_unknown_folder(self, command, root):
        write(root, {"gammapy/fits/a.py": ""})
        assert command("check")[1] == (
            "gammapy/fits/a.py:1: targets nothing: the base has no folder gammapy/fits"
            " and the overlay no __init__.py there\n"
        )
        write(root, {"gammapy/fits/__init__.py": ""})
        assert command("check")[0] == 0

    def test_not_utf8(self, command, root):
        (root / "gammapy/new.py").write_bytes(b"\xff")
        assert command("check")[1] == (
            "gammapy/new.py:1: is not UTF-8: invalid start byte\n"
        )

    def test_new_binary_file(self, command, root):
        (root / "gammapy/data/b.fits").write_bytes(b"\xff")
        assert command("check")[0] == 0
        text = "Binary files /dev/null and b/gammapy/data/b.fits differ\n"
        assert text in command("diff")[1]


class TestBase:
    def test_other_version(self, tmp_path, root, capsys):
        other = make_base(tmp_path / "other", version="2.2.dev0")
        for name in ("merge", "check", "lock", "diff"):
            assert overlay.main([name, "--base", str(other)], root) == 1
            assert capsys.readouterr().err == (
                f"the base is gammapy 2.2.dev0 (in {other}), expected exactly 2.1:"
                " build without --no-build-isolation\n"
            )

    def test_two_versions(self, base):
        make_base(base, version="2.2.dev0")
        with pytest.raises(
            OverlayError, match="is gammapy 2.* and 2.* expected exactly"
        ):
            overlay.open_base(base)

    def test_no_base(self, tmp_path, base):
        with pytest.raises(OverlayError, match="has no gammapy-2.1.dist-info in"):
            overlay.open_base(tmp_path)
        (base / "gammapy" / "__init__.py").unlink()
        with pytest.raises(OverlayError, match="the base has no package"):
            overlay.open_base(base)

    def test_find_base(self, base, monkeypatch):
        monkeypatch.syspath_prepend(base)
        found = overlay.find_base()
        assert found.package == base / "gammapy"
        assert [licence.read_text() for licence in found.licences] == ["BSD"]

    def test_find_base_refuses_the_fork(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(make_base(tmp_path / "fork", version="2.2.dev0"))
        with pytest.raises(OverlayError, match="--no-build-isolation"):
            overlay.find_base()

    def test_find_base_without_any(self, monkeypatch):
        monkeypatch.setattr(sys, "path", [])
        with pytest.raises(OverlayError, match="the base is not installed"):
            overlay.find_base()

    def test_download(self, tmp_path, monkeypatch):
        calls = []

        def run(command, **kwargs):
            calls.append(command)
            make_base(Path(command[command.index("--target") + 1]))
            return SimpleNamespace(returncode=0)

        monkeypatch.setattr(overlay_base.subprocess, "run", run)
        python = f"cp{sys.version_info.major}{sys.version_info.minor}"
        for _ in range(2):
            found = overlay.fetch_base(tmp_path)
            expected = tmp_path / "build" / "base" / f"gammapy-2.1-{python}"
            assert found.folder == expected
        assert len(calls) == 1
        assert calls[0][1:4] == ["-m", "pip", "install"]
        assert {"--no-deps", "gammapy==2.1"} < set(calls[0])

    def test_failed_download(self, tmp_path, monkeypatch, capsys):
        def run(command, **kwargs):
            write(Path(command[command.index("--target") + 1]), {"half": ""})
            return SimpleNamespace(returncode=1, stderr="ERROR: offline\nnotice\n")

        monkeypatch.setattr(overlay_base.subprocess, "run", run)
        assert overlay.main(["check"], tmp_path) == 1
        assert capsys.readouterr().err == (
            "cannot download gammapy==2.1, give a folder with --base: ERROR: offline\n"
        )
        assert list((tmp_path / "build" / "base").iterdir()) == []


class TestTarget:
    def test_only_a_merge_is_replaced(self, root, base, command):
        before = {path: path.read_bytes() for path in (root / "gammapy").rglob("*.py")}
        for out in (root, base):
            status, text = command("merge", "--out", out)
            assert status == 1 and "was not made by a merge" in text
        assert {
            path: path.read_bytes() for path in (root / "gammapy").rglob("*.py")
        } == before
        for _ in range(2):
            assert command("merge", "--out", root / "else")[0] == 0

    def test_leftovers_of_a_killed_merge_go(self, root, command):
        old, new = root / "build" / "merged-old", root / "build" / "merged-new"
        for folder in (old, new):
            write(folder, {"gammapy/x.py": ""})
        os.utime(old, (0, 0))
        assert command("merge")[0] == 0
        assert not old.exists() and new.exists()

    def test_interrupted(self, root, base, monkeypatch, capsys):
        def interrupted(*args, **kwargs):
            raise KeyboardInterrupt

        monkeypatch.setattr(overlay.shutil, "copytree", interrupted)
        assert overlay.main(["merge", "--base", str(base)], root) == 130
        assert capsys.readouterr().err == "interrupted, nothing was changed\n"


class TestLock:
    def test_text(self, root, command):
        first, *lines = (root / "dev/upstream.lock").read_text().splitlines()
        assert first == "gammapy == 2.1"
        digest = "sha256:[0-9a-f]{64}"
        expected = [
            f"gammapy/fit.py Fit {digest} -",
            f"gammapy/fit.py Fit.first {digest} -",
            f"gammapy/fit.py run {digest} {digest}",
        ]
        for line, pattern in zip(lines, expected, strict=True):
            assert re.fullmatch(pattern, line)
        assert command("lock") == (0, "3 definitions locked\n")

    def test_corrupted_hash(self, root, command):
        path = root / "dev/upstream.lock"
        path.write_text(re.sub("run sha256:.*", "run sha256:0 -", path.read_text()))
        text = (
            "gammapy/fit.py:1: run of the base changed against dev/upstream.lock (its"
            " code): compare it with the overlay, then run"
            " `python dev/overlay.py lock`\n"
        )
        for name in ("merge", "check", "diff"):
            assert command(name) == (1, text)
        assert command("lock")[0] == 0
        assert command("check")[0] == 0

    @pytest.mark.parametrize(
        "old, new, changed, what",
        [
            ('"""Run."""', '"""Run it."""', "1: run ", "(only its docstring)"),
            ("class Fit:", "class Fit(dict):", "5: Fit ", "(its code)"),
            ("def first(self):", "def first(self, a):", "6: Fit.first ", "(its code)"),
        ],
    )
    def test_changed_base(self, base, command, old, new, changed, what):
        write(base / "gammapy", {"fit.py": FIT.replace(old, new)})
        status, text = command("merge")
        assert status == 1
        assert text.startswith(f"gammapy/fit.py:{changed}of the base changed")
        assert f" {what}: compare it with the overlay" in text
        assert text.count("\n") == 1

    def test_other_changes_do_not_count(self, base, command):
        text = FIT.replace("return 2", "return 3").replace("return 1", "return 1 \n")
        write(base / "gammapy", {"fit.py": text})
        assert command("merge")[0] == 0

    @pytest.mark.parametrize(
        "old, names",
        [("def first", ["6: Fit.first"]), ("class Fit", ["5: Fit", "5: Fit.first"])],
    )
    def test_vanished(self, base, command, old, names):
        write(base / "gammapy", {"fit.py": FIT.replace(old, f"{old}_of_all")})
        assert command("merge")[1].splitlines() == [
            f"gammapy/fit.py:{name} vanished from the base, but is in"
            " dev/upstream.lock: change the overlay, then run"
            " `python dev/overlay.py lock`"
            for name in names
        ]

    def test_vanished_module(self, base, root, command):
        (base / "gammapy/fit.py").unlink()
        write(root / "gammapy", {"fit.py": OURS.replace("_upstream_", "")})
        text = command("merge")[1]
        assert "gammapy/fit.py:1: Fit.first vanished from the base" in text

    def test_not_locked(self, root, command):
        write(root, {"gammapy/fit.py": OURS + "\n    def other(self):\n        pass\n"})
        assert command("merge") == (
            1,
            "gammapy/fit.py:9: Fit.other is not in dev/upstream.lock:"
            " run `python dev/overlay.py lock`\n",
        )

    def test_stale(self, root, command):
        write(root, {"gammapy/fit.py": OURS.partition("\n\nclass")[0]})
        assert command("merge")[0] == 0
        assert command("check")[1].splitlines() == [
            f"dev/upstream.lock: gammapy/fit.py {name} is locked, but the overlay"
            " does not replace it: run `python dev/overlay.py lock`"
            for name in ("Fit", "Fit.first")
        ]
        assert command("lock") == (0, "1 definitions locked\n")
        assert command("check")[0] == 0

    @pytest.mark.parametrize(
        "text, error",
        [
            ("2.1\n", "1: expected `gammapy == 2.1`, got `2.1`"),
            ("", "1: expected `gammapy == 2.1`, got ``"),
            *(
                (
                    f"gammapy == 2.1\n{line}\n",
                    "2: expected PATH NAME CODE DOCSTRING, the last two as hashes, got"
                    f" `{line}`: run `python dev/overlay.py lock`",
                )
                for line in ("x", "a.py x sha256:1", "sha256:1 -")
            ),
        ],
    )
    def test_malformed(self, root, command, text, error):
        (root / "dev/upstream.lock").write_text(text)
        assert command("check") == (1, f"dev/upstream.lock:{error}\n")

    def test_of_another_release(self, root, base, command, monkeypatch):
        """What changed in a new release is named first, then the lock itself."""
        lock = root / "dev/upstream.lock"
        lock.write_text(lock.read_text().replace("== 2.1", "== 2.0"))
        expected = (
            "dev/upstream.lock:1: is for gammapy 2.0, the base is 2.1: run"
            " `python dev/overlay.py lock`\n"
        )
        assert command("check") == (1, expected)
        assert command("merge") == (1, expected)
        text = (base / "gammapy/fit.py").read_text()
        (base / "gammapy/fit.py").write_text(text.replace("def first", "def other"))
        assert "Fit.first vanished from the base" in command("check")[1]


class TestDiff:
    def test_applies(self, root, base, command):
        write(root, {"gammapy/new.py": "x = 'é'"})
        status, text = command("diff")
        assert status == 0
        assert "--- a/gammapy/fit.py\n+++ b/gammapy/fit.py\n" in text
        assert "--- /dev/null\n+++ b/gammapy/new.py\n@@ -0,0 +1 @@\n+x = 'é'\n" in text
        assert "\n\\ No newline at end of file\n" in text
        command("merge")
        git(base, "init", "--quiet")
        (base / "patch").write_text(text)
        git(base, "apply", "patch")
        for name in ("gammapy/fit.py", "gammapy/new.py"):
            merged = root / "build/merged" / name
            assert (base / name).read_bytes() == merged.read_bytes()


@pytest.fixture
def checkout(tmp_path):
    """A git checkout whose other definitions moved on."""
    checkout = tmp_path / "checkout"
    write(checkout / "gammapy", FILES)
    fit = FIT.replace("return 2", "return 4")
    write(checkout / "gammapy", {"fit.py": fit})
    project = '[project]\nname = "gammapy"\n'
    write(checkout, {"pyproject.toml": project, ".gitignore": "version.py\n"})
    git(checkout, "init", "--quiet")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "a")
    return checkout


def count(same, docstring=0, code=0, vanished=0):
    """Line that says how many of the three locked definitions differ."""
    return (
        f"3 definitions of dev/upstream.lock: {same} as in 2.1, {docstring} with"
        f" another docstring only, {code} with other code, {vanished} vanished"
    )


class TestCheckout:
    """`check` and `diff` with another revision as the base."""

    @pytest.fixture
    def look(self, root, checkout, capsys):
        """Function that changes the checkout, runs a command and gives its output."""

        def look(old="", new="", name="check"):
            text = (checkout / "gammapy/fit.py").read_text()
            assert old in text
            write(checkout / "gammapy", {"fit.py": text.replace(old, new, 1)})
            capsys.readouterr()
            status = overlay.main([name, "--base", str(checkout)], root)
            out, err = capsys.readouterr()
            assert status == 0 or out == ""
            return status, (out + err).splitlines()

        return look

    def test_as_released(self, look):
        summary = "2 files copied, 1 merged, 1 definitions replaced, 1 wrapped"
        assert look() == (0, [count(3), summary])

    @pytest.mark.parametrize("name", ["check", "diff"])
    def test_docstring(self, look, root, name):
        text = "gammapy/fit.py:1: run: only its docstring changed; the overlay "
        for line, what in [
            ("", "takes it"),
            ('"""Ours."""', "replaces it by its own"),
            ('"""Notes\n    -----\n    Ours."""', "extends it"),
        ]:
            ours = OURS.replace("    return _up", f"    {line}\n    return _up")
            write(root, {"gammapy/fit.py": ours})
            status, lines = look("Run.", "Run it.", name)
            assert status == 0
            assert text + what in lines and count(2, docstring=1) in lines
            look("Run it.", "Run.")

    def test_diff_can_be_applied(self, root, checkout, capsys):
        assert overlay.main(["diff", "--base", str(checkout)], root) == 0
        text = capsys.readouterr().out
        assert "return 4" in text and "definitions of" not in text
        (checkout / "patch").write_text(text)
        git(checkout, "apply", "patch")

    @pytest.mark.parametrize("name", ["check", "diff"])
    def test_code(self, look, name):
        status, lines = look("def first(self)", "def first(self, a)", name)
        assert status == 1
        assert lines == [
            "gammapy/fit.py:6: Fit.first: its code changed",
            count(2, code=1),
        ]

    def test_code_and_docstring(self, look):
        look("Run.", "Run it.")
        status, lines = look("return 1", "return 3")
        assert status == 1 and "gammapy/fit.py:1: run: its code changed" in lines

    def test_vanished(self, look):
        """What cannot be merged then is said, too; the rest is still compared."""
        look("def first(self):", "def first(self, a):")
        status, lines = look("def run", "def walk")
        assert status == 1
        assert lines == [
            "gammapy/fit.py:2: _upstream_run keeps nothing: the overlay replaces no"
            " definition of that name that the base has",
            "gammapy/fit.py:1: run: vanished, 2.1 has it",
            "gammapy/fit.py:6: Fit.first: its code changed",
            count(1, code=1, vanished=1),
        ]

    def test_vanished_module(self, checkout, root, capsys):
        write(root, {"gammapy/fit.py": OURS.replace("_upstream_", "")})
        (checkout / "gammapy/fit.py").unlink()
        assert overlay.main(["check", "--base", str(checkout)], root) == 1
        assert capsys.readouterr().err.splitlines() == [
            *(
                f"gammapy/fit.py:1: {name}: vanished, 2.1 has it"
                for name in ("Fit", "Fit.first", "run")
            ),
            count(0, vanished=3),
        ]

    def test_new_in_the_base(self, look, root):
        write(root, {"gammapy/fit.py": OURS + "\n    def last(self):\n        pass\n"})
        status, lines = look("other", "last")
        assert status == 1
        line = "gammapy/fit.py:9: Fit.last: is new in this base, 2.1 does not have it"
        assert lines == [line, count(3)]

    def test_not_python(self, look):
        status, lines = look("class Fit", "class (Fit")
        assert status == 1
        assert lines[-1] == count(0) + ", 3 not reached"

    def test_without_git(self, look, checkout):
        """An unpacked source distribution will do."""
        (checkout / ".git").rename(checkout / "no")
        assert look()[0] == 0

    @pytest.mark.parametrize("name", ["lock", "merge"])
    def test_refused(self, look, name, checkout):
        status, lines = look(name=name)
        assert status == 1
        assert lines == [
            f"{checkout} is a checkout of Gammapy: only check, diff and export take"
            " one, expected the release 2.1 from `pip install --target`"
        ]


class TestExport:
    def changes(self, checkout):
        """What git says that changed."""
        command = ["git", "status", "--porcelain", "--untracked-files=all"]
        return subprocess.check_output(command, cwd=checkout, text=True).splitlines()

    def test_files(self, command, checkout):
        before = read(checkout / "gammapy")
        text = f"{count(3)}\n3 files written to {checkout}\n"
        assert command("export", checkout) == (0, text)
        assert self.changes(checkout) == [
            " M gammapy/fit.py",
            "?? gammapy/more/__init__.py",
            "?? gammapy/new.py",
        ]
        fit = (checkout / "gammapy/fit.py").read_text()
        assert "return 4" in fit
        assert "def _run_once" in fit and "_upstream_" not in fit
        assert read(checkout / "gammapy")["data/a.txt"] == before["data/a.txt"]

    def test_twice(self, command, checkout):
        assert command("export", checkout)[0] == 0
        git(checkout, "add", ".")
        git(checkout, "commit", "--quiet", "-m", "exported")
        status, text = command("export", checkout)
        assert status == 1 and len(text.splitlines()) == 1
        assert "holds an earlier export (gammapy/new.py)" in text

    def test_ignored_files_are_left_out(self, command, root, base, checkout):
        write(base / "gammapy", {"version.py": "version = 1\n"})
        write(root / "gammapy", {"version.py": "version = 2\n"})
        assert command("lock")[0] == 0
        assert overlay.main(["check", "--base", str(checkout)], root) == 0
        assert command("export", checkout)[0] == 0
        assert not (checkout / "gammapy/version.py").exists()

    def test_changed_definition(self, command, checkout):
        write(checkout / "gammapy", {"fit.py": FIT.replace("return 1", "return 0")})
        git(checkout, "commit", "--quiet", "-a", "-m", "b")
        status, text = command("export", checkout)
        assert status == 1
        assert text.splitlines() == [
            "gammapy/fit.py:1: run: its code changed",
            "gammapy/fit.py:6: Fit.first: its code changed",
            count(1, code=2),
            "nothing was written: export topics that have material of their own, with"
            " --topic NAME or --up-to NAME, which need less of the checkout",
        ]
        assert self.changes(checkout) == []

    def test_changed_docstring(self, command, checkout):
        write(checkout / "gammapy", {"fit.py": FIT.replace("Run.", "Run it.")})
        git(checkout, "commit", "--quiet", "-a", "-m", "b")
        status, text = command("export", "--base", checkout)
        assert status == 0
        assert text.splitlines() == [
            "gammapy/fit.py:1: run: only its docstring changed; the overlay takes it",
            count(2, docstring=1),
            f"3 files written to {checkout}",
        ]
        assert (checkout / "gammapy/fit.py").read_text().count("Run it.") == 2

    def test_one_folder(self, command, tmp_path, checkout):
        for folders in ((), (checkout, "--base", tmp_path)):
            assert command("export", *folders) == (
                1,
                "export writes into its base: give one folder, as CHECKOUT or as"
                " --base\n",
            )

    def test_dirty(self, command, checkout):
        write(checkout / "gammapy", {"fit.py": "", "new.py": "", "data/a.txt": "b"})
        changes = self.changes(checkout)
        assert command("export", checkout)[1].splitlines() == [
            f"{path}: has uncommitted changes in {checkout}"
            for path in ("gammapy/fit.py", "gammapy/new.py")
        ]
        assert self.changes(checkout) == changes

    def test_only_other_files_dirty(self, command, checkout):
        write(checkout / "gammapy", {"data/a.txt": "b"})
        assert command("export", checkout)[0] == 0

    def test_no_checkout(self, command, tmp_path, checkout):
        write(checkout, {"pyproject.toml": '[project]\nname = "other"\n'})
        assert command("export", checkout)[1] == (
            f"{checkout} is not a checkout of Gammapy: it lacks a pyproject.toml that"
            " names gammapy\n"
        )
        text = command("export", tmp_path)[1]
        assert "it lacks .git, gammapy/__init__.py, a pyproject.toml" in text


def real_modules():
    """Modules of the real base, when it has been downloaded."""
    folder = overlay.base_folder()
    return folder, sorted((folder / "gammapy").rglob("*.py"))


class TestRealBase:
    @pytest.fixture
    def modules(self):
        """Folder and modules of the real base."""
        folder, modules = real_modules()
        if not modules:
            pytest.skip("needs build/base, made by `python dev/overlay.py check`")
        return folder, modules

    def test_empty_overlay_changes_nothing(self, modules):
        folder, paths = modules
        licence = "# Licensed under a 3-clause BSD style license - see LICENSE.rst\n"
        for path in paths:
            text = path.read_bytes().decode()
            name = path.relative_to(folder).as_posix()
            assert merge_module(text, licence, name).text == text

    def test_wrapper(self, modules):
        text = (modules[0] / "gammapy/modeling/fit.py").read_text(encoding="utf-8")
        ours = """class Fit:
            def stat_profile(self, *args, **kwargs):
                return self._upstream_Fit_stat_profile(*args, **kwargs)
        """.replace("\n        ", "\n")
        merged = merge_module(text, ours, "gammapy/modeling/fit.py")
        assert merged.wrapped == {"Fit.stat_profile"}
        compile(merged.text, "fit.py", "exec")

    @pytest.fixture
    def real_checkout(self, modules, tmp_path):
        """A checkout with the modules of 2.1 that the overlay merges into."""
        folder = modules[0]
        for name in ["gammapy/__init__.py", *overlay.overlay_files(ROOT)]:
            if (folder / name).is_file():
                write(tmp_path, {name: (folder / name).read_text(encoding="utf-8")})
            elif (folder / name).parent.is_dir():
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path, {"pyproject.toml": '[project]\nname = "gammapy"\n'})
        return tmp_path

    def change(self, checkout, name, old, new):
        """Change the text of a module once."""
        text = (checkout / name).read_text(encoding="utf-8")
        assert old in text
        write(checkout, {name: text.replace(old, new, 1)})

    def test_checkout(self, real_checkout):
        """Docstrings that changed are extended; code that changed is named."""
        made, lines = overlay.plan_checkout(real_checkout)
        assert len(lines) == 1 and "0 with another docstring only, 0 with" in lines[0]

        fit, core = "gammapy/modeling/fit.py", "gammapy/datasets/core.py"
        old, new = "Compute fit statistic profile.", "Compute a profile."
        self.change(real_checkout, fit, old, new)
        made, (line, _) = overlay.plan_checkout(real_checkout)
        assert line.endswith(
            "Fit.stat_profile: only its docstring changed; the overlay extends it"
        )
        text = made.files[fit].decode()
        assert text.count(new) == 1 and old not in text
        assert "n_jobs : int, optional" in text.partition("def stat_profile")[2]

        old = '"""Compute joint statistic function value."""'
        self.change(real_checkout, core, old, f"{old}\n        pass")
        with pytest.raises(OverlayError) as error:
            overlay.plan_checkout(real_checkout)
        assert [line.partition(": ")[2] for line in error.value.lines[:2]] == [
            "Datasets.stat_sum: its code changed",
            "Fit.stat_profile: only its docstring changed; the overlay extends it",
        ]
        assert len(error.value.lines) == 3
