"""`python -m veritable compare`: what differs between two versions, from what git and DVC hold of them."""

import json
from pathlib import Path

from veritable.cli.revisions import Version, read_versions
from veritable.evaluation.params import EvaluateParams
from veritable.files import whole
from veritable.reporting.comparison import Side, render_comparison_html, render_comparison_markdown, summarize_comparison
from veritable.reporting.reference import FILES, read_side

REPORTS, METRICS = "reports/", "reports/metrics.json"
PATHS = [*(REPORTS + name for name in FILES), METRICS]


def compare(old: str, new: str, *, output: Path, markdown: bool) -> int:
    """Compare two revisions of the repository in the working directory. Return the exit code.

    Parameters
    ----------
    output
        The page to write. With `markdown`, the text for a pull request is printed instead.

    Raises
    ------
    UserError
        A revision does not exist or holds no run.
    """
    versions = read_versions(Path.cwd(), [old, new], PATHS)
    first, second = map(make_side, versions)
    facts = summarize_comparison(first, second, EvaluateParams.parse("evaluate", versions[1].params["evaluate"]))
    if markdown:
        print(render_comparison_markdown(facts), end="")
        return 0
    output.parent.mkdir(parents=True, exist_ok=True)
    with whole(output) as partial:
        partial.write_text(render_comparison_html(facts), "utf-8")
    for sentence in (facts["headline"], facts["flips"], facts["caution"], *facts["notes"]):
        if sentence:
            print(sentence)
    print(f"Comparison  {output}")
    return 0


def make_side(version: Version) -> Side:
    """Return what a comparison needs of a version."""
    is_named = version.commit and not version.commit.startswith(version.name)
    return read_side(
        {path.removeprefix(REPORTS): content for path, content in version.files.items()},
        name=f"{version.name} ({version.commit})" if is_named else version.name,
        metrics=json.loads(version.files[METRICS]) if METRICS in version.files else {},
        params={name: values for name, values in version.params.items() if name != "report"},  # it changes no result
        inputs=version.inputs,
        classifier=version.classifier,
        code=version.code,
        notes=version.notes,
    )
