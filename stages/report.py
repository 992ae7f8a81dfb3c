"""Write the report as an HTML page and a Markdown text, and the metrics of this run. Run by `dvc repro report`."""

from veritable.stage.contract import Stage, run

run(__name__)

import io
import os

import pandas as pd
from ruamel.yaml import YAML

from veritable.digests import hash_path
from veritable.evaluation.params import EvaluateParams
from veritable.files import read_json, write_json
from veritable.models.content import Content
from veritable.models.folder import ModelFolder
from veritable.reporting.card import read_card
from veritable.reporting.frames import read_frame
from veritable.reporting.params import ReportParams
from veritable.reporting.pipeline import read_pipeline
from veritable.reporting.profile import describe_profile
from veritable.reporting.record import make_record
from veritable.reporting.reference import compare_with_reference, read_files, read_side
from veritable.reporting.render import FIGURE_FILES, draw_figures, render_html, render_markdown
from veritable.reporting.summary import make_summary, parse_code, parse_versions, select_metrics
from veritable.tables.checking.findings import LEVELS

CODE = ("preprocess", "plan", "baselines", "train", "evaluate", "explain")  # stages whose library versions the report names


def report(stage: Stage) -> None:
    evaluation, explanation = stage.inputs["evaluation"], stage.inputs["explanation"]
    classifier = ModelFolder.open(stage.inputs["classifier"])
    ReportParams.parse("report", stage.params["report"])
    params = {section: stage.params[section] for section in stage.params if section != "report"}
    params |= {"train": read_json(stage.inputs["train.json"])}
    code = stage.inputs["train.txt"].read_text()
    this = read_side(read_files(evaluation, explanation), name="this version", params=params, code={"train": parse_code(code)})
    evaluate = EvaluateParams.parse("evaluate", params["evaluate"])
    evaluated = {path.stem: read_json(path) for path in sorted(evaluation.glob("*.json"))}
    findings = [*evaluated.pop("findings")["findings"], *read_json(stage.inputs["findings.json"])["findings"]]
    table, card = read_json(stage.inputs["table.json"]), stage.inputs["report.model_card"]
    record = make_record(
        hashes={os.path.relpath(path): hash_path(path) for path in stage.inputs.values()},
        main=[os.path.relpath(stage.inputs[name]) for name in ("train", "valid", "test", "classifier")],
        pipeline=read_pipeline(read_json(stage.inputs["pipeline.json"]), params),
        params=params,
        defaults=YAML(typ="safe").load(stage.inputs["defaults.yaml"]),
        contract=Content.read(classifier).contract.to_json(),
        table=table,
    )
    summary = make_summary(
        table=table,
        history=pd.read_csv(io.BytesIO(classifier.read("history.csv"))),
        results=evaluated.pop("metrics"),
        curves={path.stem: read_frame(path.read_bytes()) for path in sorted(evaluation.glob("*.csv"))},
        explanation=read_json(explanation / "explanation.json"),
        importance=read_frame((explanation / "importance.csv").read_bytes()),
        explained={path.stem: pd.read_parquet(path) for path in sorted(explanation.glob("*.parquet")) if path.stem != "values"},
        params=params,
        findings=sorted(findings, key=lambda each: LEVELS.index(each["level"])),
        findings_file="reports/findings.json",
        evaluation=evaluated,
        versions=parse_versions("".join(stage.inputs[f"{name}.txt"].read_text() for name in CODE)),
        reference=compare_with_reference(stage.inputs["report.reference"], this, evaluate),
        card=read_card(card),
        card_file=os.path.relpath(card),
        record=record,
        profile=describe_profile(read_json(stage.inputs["profile.json"]), read_json(stage.inputs["test_profile.json"])),
    )
    templates, figures = stage.inputs["templates"], draw_figures(summary)
    stage.outputs["report.html"].write_text(render_html(summary, templates, figures), "utf-8")
    stage.outputs["report.md"].write_text(render_markdown(summary, templates), "utf-8")
    stage.outputs["figures"].mkdir()
    for name in FIGURE_FILES:
        (stage.outputs["figures"] / f"{name}.svg").write_text(figures[name].document, "utf-8")
    write_json(stage.outputs["metrics.json"], select_metrics(summary))
