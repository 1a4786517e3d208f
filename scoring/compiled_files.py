"""A model as files for an engine or for dbt, which appear whole or not at all."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import ForesqlError, UnsupportedModelError
from ..models_sql import DbtModel, Script, data_file, table_statements, write_data, write_seed

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from ..models_sql import Target

TABLES, SCORE, MANIFEST = "1_tables.sql", "2_score.sql", "foresql.json"
_STAGE = re.compile(r"[\w./:@~+=%-]+")
_PROJECT = "dbt_project.yml"


def write_folder(  # noqa: PLR0913 - keyword options of one call
    script: Script,
    target: Target,
    folder: Path,
    *,
    about: Mapping[str, object],
    stage: str | None,
    overwrite: bool,
) -> list[Path]:
    """Write a folder of scripts and data; one that is there is replaced only if it is such."""
    if script.tables and target.storage.needs_stage and stage is None:
        raise UnsupportedModelError(
            f"files for {target.title}",
            "it reads data from a place of its own, which is not named.",
            'say where you put the files: stage="s3://bucket/folder", or --stage.',
        )
    if stage is not None and not _STAGE.fullmatch(stage):
        raise UnsupportedModelError(
            f"the stage {stage!r}",
            "it has letters that no place of files has.",
            "give a folder's address or path without quotes and spaces.",
        )
    _check_folder(folder, overwrite=overwrite)
    with _new_folder(folder) as made:
        _write_scripts(script, target, made, stage)
        names = sorted(path.name for path in made.iterdir())
        tables = {table.name: len(table.data) for table in script.tables}
        manifest = {**about, "tables": tables, "files": [*names, MANIFEST]}
        (made / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return [folder / name for name in [*names, MANIFEST]]


def _write_scripts(script: Script, target: Target, folder: Path, stage: str | None) -> None:
    storage = target.storage
    how = f"-- Run in this folder: {storage.client}\n" if storage.client else ""
    if script.tables:
        for table in script.tables:
            if storage.load:
                write_data(table, folder / data_file(table, target), target)
        with (folder / TABLES).open("w", encoding="utf-8") as file:
            file.write(script.comment + how.replace("FILE", TABLES))
            for statement in table_statements(script, target, stage, from_files=True):
                # A command of a client, such as \copy, is one line without a semicolon.
                file.write(statement + ("\n" if statement.startswith("\\") else storage.end))
    score = "".join(statement + storage.end for statement in script.score)
    text = script.comment + how.replace("FILE", SCORE) + score
    (folder / SCORE).write_text(text, encoding="utf-8")


def _check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse to replace anything that this command did not write."""
    if not folder.exists():
        return
    if not folder.is_dir():
        message = f"{folder} is a file, and a folder is to be written. Name another one."
        raise ForesqlError(message)
    there = {path.name for path in folder.iterdir()}
    if not there:
        return
    if not overwrite:
        message = f"{folder} exists. Give --overwrite (overwrite=True) to replace it."
        raise ForesqlError(message)
    foreign = sorted(there - _listed(folder))
    if foreign:
        message = (
            f"{folder} holds {foreign[0]!r}, which foresql did not write. Name another folder."
        )
        raise ForesqlError(message)


def _listed(folder: Path) -> set[str]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return set(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


@contextmanager
def _new_folder(folder: Path) -> Generator[Path]:
    """Give an empty folder beside another, which takes its name in the end."""
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        made.mkdir(parents=True)
        yield made
        old = made.with_name(made.name + ".old")
        if folder.exists():
            folder.rename(old)
        made.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        message = f"{folder} cannot be written: {error.strerror}."
        raise ForesqlError(message) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write_project(model: DbtModel, target: Target, folder: Path, *, overwrite: bool) -> list[Path]:
    """Write a model into a dbt project: into a folder of models, or the project's own."""
    root = _project_of(folder)
    root, models = (folder, folder / "models") if folder.resolve() == root else (root, folder)
    texts = {
        models / f"{model.name}.sql": model.sql,
        models / f"{model.name}.yml": model.properties,
    }
    seeds = {root / "seeds" / f"{table.name}.csv": table for table in model.seeds}
    for path in [*texts, *seeds]:
        # A seed is named after its rows, so one that is there is the same.
        if path.exists() and path not in seeds and not overwrite:
            message = f"{path} exists. Give --overwrite (overwrite=True) to replace it."
            raise ForesqlError(message)
    with _all_or_none([*seeds, *texts]) as drafts:
        for path, table in seeds.items():
            write_seed(table, drafts[path], target)
        for path, text in texts.items():
            drafts[path].write_text(text, encoding="utf-8", newline="")
    return [*texts, *seeds]


def _project_of(folder: Path) -> Path:
    for each in (folder.resolve(), *folder.resolve().parents):
        if (each / _PROJECT).is_file():
            return each
    message = f"{folder} is in no dbt project: no folder above it has a {_PROJECT}."
    raise ForesqlError(message)


@contextmanager
def _all_or_none(paths: list[Path]) -> Generator[dict[Path, Path]]:
    """Give a draft a file; they take their names when all are written."""
    drafts = {path: path.with_name(f".{path.name}.{secrets.token_hex(4)}") for path in paths}
    try:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield drafts
        for path, draft in drafts.items():
            draft.replace(path)
    except OSError as error:
        message = f"{error.filename or paths[0]} cannot be written: {error.strerror}."
        raise ForesqlError(message) from error
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
