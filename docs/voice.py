"""Measure the voice of the documentation: length of sentences, their first words, "you".

`python docs/voice.py` prints a line for each page, for README, and for the docstrings' summaries.
Code, tables, directives and headings do not count.
"""

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FRONTED = re.compile(r"(What|Who|Whoever|Whose|Of|Where|Which|Whatever|Wherever)\b")
# First words of summaries. A verb that is missing here lowers the share, and never raises it.
VERB = re.compile(
    r"""
    (Add|Adjust|Allocate|Apply|Build|Call|Check|Choose|Clean|Clear|Collect|Compare|Compile|Compute|
    Convert|Copy|Count|Create|Cross-validate|Declare|Describe|Divide|Download|Draw|Drop|Encode|
    Escape|Estimate|Evaluate|Exclude|Find|Fit|Format|Go|Hash|Import|Leave|Load|Make|Mark|Measure|
    Move|Multiply|Name|Note|Open|Overwrite|Parse|Predict|Print|Put|Raise|Read|Record|Remove|Replace|
    Report|Reshape|Restore|Return|Run|Save|Score|Set|Show|Start|Stop|Store|Summarize|Take|Tell|Train|
    Turn|Update|Use|Warn|Write|Yield)\b(?!\ of\b)
    """,
    re.VERBOSE,
)


class Voice(NamedTuple):
    """Counts over some text."""

    sentences: int
    words: int
    fronted: int
    you: int

    @property
    def figures(self) -> str:
        per_sentence = self.words / max(1, self.sentences)
        fronted = self.fronted / max(1, self.sentences)
        you = 1000 * self.you / max(1, self.words)
        return f"{self.sentences:5} {per_sentence:6.1f} {fronted:7.1%} {you:6.1f}"


def prose_of_rst(text: str) -> str:
    """Return the paragraphs of a page, without directives, code, tables and headings."""
    text = re.sub(r"(?m)^\.\. .*(\n([ \t]+.*)?)*?(?=\n\S|\Z)", "", text)
    paragraphs = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip("\n").splitlines()
        if not lines or lines[0].startswith((" ", ">>>", "=", "+", "|")):
            continue
        if len(lines) > 1 and re.fullmatch(r"([=\-~^\"'])\1{2,}", lines[1].strip()):
            lines = lines[2:]
        paragraphs.append(
            " ".join(re.sub(r"^([-*]|#\.|\d+\.) ", "", line.strip()) for line in lines)
        )
    return "\n".join(paragraphs)


def prose_of_markdown(text: str) -> str:
    """Return the paragraphs of a page, without code, tables, pictures and headings."""
    text = re.sub(r"(?ms)^```.*?^```", "", text)
    lines = [line for line in text.splitlines() if not re.match(r"\s*(\||#|!\[)", line)]
    blocks = re.split(r"\n\s*\n|\n(?=[-*] )", "\n".join(lines))
    return "\n".join(
        " ".join(block.split()).removeprefix("- ") for block in blocks if block.strip()
    )


def prose_of_example(text: str) -> str:
    """Return the text of an example: its docstring and its blocks of comments."""
    docstring = ast.get_docstring(ast.parse(text)) or ""
    blocks = re.findall(r"(?m)^# %%\n((?:#.*\n)+)", text)
    return prose_of_rst("\n\n".join([docstring, *(re.sub(r"(?m)^# ?", "", b) for b in blocks)]))


def measure(prose: str) -> Voice:
    """Count sentences, words, fronted sentences and "you"."""
    prose = re.sub(r":[a-z:]+:`~?([^`<]*?)(?: ?<[^>]*>)?`", r"\1", prose)
    prose = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", prose)
    prose = re.sub(r"``[^`]*``|`[^`]*`", "code", prose)
    prose = re.sub(r"[*_]{1,2}([^*_]+)[*_]{1,2}", r"\1", prose)
    prose = re.sub(r"(?<=\d)\.(?=\d)|\be\.g\.|\bi\.e\.", "", prose)
    sentences = [
        sentence
        for paragraph in prose.splitlines()
        for sentence in re.split(r"(?<=[.!?:])\s+(?=[\"(A-Z0-9c])", paragraph)
        if len(sentence.split()) > 2
    ]
    words = [word for sentence in sentences for word in re.findall(r"[\w'/-]+", sentence)]
    return Voice(
        len(sentences),
        len(words),
        sum(bool(FRONTED.match(sentence)) for sentence in sentences),
        sum(word.lower() in {"you", "your", "yours", "yourself"} for word in words),
    )


def summaries() -> list[str]:
    """Return the first lines of the docstrings of public functions and methods.

    Properties are left out: a noun phrase says what they are.
    """
    return [
        docstring.splitlines()[0]
        for path in sorted((ROOT / "skfashion").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and not any("property" in ast.unparse(each) for each in node.decorator_list)
        and (docstring := ast.get_docstring(node))
    ]


def main() -> None:
    pages = {"README.md": prose_of_markdown((ROOT / "README.md").read_text())}
    for path in sorted([*ROOT.glob("docs/*.rst"), *ROOT.glob("docs/user_guide/*.rst")]):
        pages[str(path.relative_to(ROOT))] = prose_of_rst(path.read_text())
    for path in sorted(ROOT.glob("examples/*.py")):
        pages[str(path.relative_to(ROOT))] = prose_of_example(path.read_text())
    print(f"{'page':36}  sent. words fronted   you/1000")
    for name, prose in pages.items():
        print(f"{name:36} {measure(prose).figures}")
    total = Voice(*map(sum, zip(*map(measure, pages.values()), strict=True)))
    print(f"{'all':36} {total.figures}")
    first = summaries()
    verbs = sum(bool(VERB.match(summary)) for summary in first)
    print(f"{len(first)} summaries of functions, {verbs / len(first):.1%} begin with a verb")


if __name__ == "__main__":
    sys.exit(main())
