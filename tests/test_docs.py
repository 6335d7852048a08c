"""The pages say what is true: links, commands, names in code, and the README's figures."""

from __future__ import annotations

import ast
import re
import runpy
import shlex
from pathlib import Path

import pytest
import typer

import niwaki
from niwaki.cli import run_verb
from niwaki.cli._app import app

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("benchmarks/*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.M)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_name_verbs_and_options_that_exist(page):
    import niwaki.cli._main as main

    main.load_verbs()
    group = typer.main.get_command(app)
    inline = re.findall(r"`(niwaki [a-z]+(?: [^`]*)?)`", page.read_text("utf-8"))
    for block in [*blocks(page, "sh"), *inline]:
        for line in block.replace("&& ", "\n").splitlines():
            words = shlex.split(line.strip(), comments=True)
            if len(words) < 2 or words[0] != "niwaki" or words[1].startswith("-"):
                continue
            assert words[1] in group.commands, line
            verb = group.commands[words[1]]
            known = {name for parameter in verb.params for name in parameter.opts}
            used = {word.split("=")[0] for word in words[2:] if word.startswith("--")}
            assert used <= known, f"{line}: unknown {used - known}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_python_blocks_parse_and_name_what_exists(page):
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "niwaki":
                assert hasattr(niwaki, node.attr), f"niwaki.{node.attr}"


def test_the_readme_has_both_commands():
    text = (ROOT / "README.md").read_text("utf-8")
    for number, needed in ((1, "niwaki compress"), (2, "pytest")):
        found = re.search(rf"<!-- command {number}.*?-->\n```sh\n(.*?)```", text, re.DOTALL)
        assert found is not None
        assert needed in found[1]
        assert len(found[1].strip().splitlines()) == 1


def test_the_readmes_figures_are_those_of_the_results(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["readme.py", "--check"])
    monkeypatch.syspath_prepend(ROOT / "benchmarks")  # as when it runs as a script
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(ROOT / "benchmarks" / "readme.py"), run_name="__main__")
    assert left.value.code == 0, capsys.readouterr().out


@pytest.mark.slow
def test_the_size_budgets_that_the_pages_name_can_be_met(tmp_path):
    named = {
        words[words.index("--size-kb") + 1]
        for page in PAGES
        for block in blocks(page, "sh")
        for words in (shlex.split(line, comments=True) for line in block.splitlines())
        if words[:3] == ["niwaki", "compress", "--size-kb"]  # on the default network
    }
    assert named
    smallest = min(named, key=float)
    out = tmp_path / "out"
    quick = ["--dense-epochs", "1", "--epochs", "1", "--compare", "none", "--quiet", "--json"]
    assert run_verb(["compress", "--size-kb", smallest, *quick, "--out", str(out)]) == 0
    assert (out / "model.nwk").stat().st_size <= 1000 * float(smallest)
