"""CREATE FUNCTION as Snowflake reads it, and Python handlers called as Snowflake calls them.

What is documented is kept: a zip is imported from the stage, or the body is a module; a vectorised
handler gets a pandas frame with columns 0, 1, …, in batches of any length. The modules of one
function are seen by no other, and the libraries that no Snowflake function may count on are hidden.
"""

import atexit
import importlib
import json
import shutil
import sys
import tempfile
import threading
import types
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlglot import tokenize
from sqlglot.tokens import TokenType

# A handler has numpy and pandas; whatever else it asks for was not listed in PACKAGES.
HIDDEN = ("foresql", "lightgbm", "xgboost", "catboost", "sklearn", "scipy")
# Lengths of the batches that a handler gets, over and over: one row, then ragged ones.
BATCHES = (1, 3, 64, 2, 1000, 7)
TYPES = {
    "FLOAT": "DOUBLE",
    "DOUBLE": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "VARCHAR": "VARCHAR",
    "STRING": "VARCHAR",
    "TEXT": "VARCHAR",
    "DATE": "DATE",
    "BINARY": "BLOB",
    "TIMESTAMP_NTZ": "TIMESTAMP",
    "VARIANT": "JSON",
    "OBJECT": "JSON",
    "ARRAY": "JSON",
}
_LOCK = threading.RLock()


class NotEmulatedError(AssertionError):
    """A test asks for something that the fake account does not know."""


@dataclass(frozen=True)
class Definition:
    """One CREATE FUNCTION statement, taken apart."""

    name: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...]
    replace: bool
    secure: bool
    returns: str
    language: str
    body: str | None
    options: dict[str, object] = field(default_factory=dict)

    @property
    def signature(self) -> str:
        """The types by which Snowflake tells overloads apart: without lengths."""
        return ", ".join(type_.partition("(")[0] for _, type_ in self.arguments)


def duck_type(name: str) -> str:
    """Give DuckDB's type for one of Snowflake's."""
    bare = name.partition("(")[0].strip().upper()
    if bare in {"NUMBER", "DECIMAL", "INT", "INTEGER"}:
        inside = name.partition("(")[2].rstrip(")").split(",")
        scale = int(inside[1]) if len(inside) > 1 else 0
        return f"DECIMAL({inside[0]}, {scale})" if scale else "BIGINT"
    if bare not in TYPES:
        message = f"type {name}"
        raise NotEmulatedError(message)
    return TYPES[bare]


class Reader:
    """Reads the tokens of one statement from left to right."""

    def __init__(self, sql):
        self.sql = sql
        self.tokens = tokenize(sql, read="snowflake")
        self.at = 0

    def text(self, ahead=0):
        place = self.at + ahead
        return self.tokens[place].text.upper() if place < len(self.tokens) else ""

    def take(self, *words):
        if all(self.text(i) == word for i, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def expect(self, *words):
        if not self.take(*words):
            message = f"{' '.join(words)} at {self.sql[self.tokens[self.at].start :][:60]!r}"
            raise NotEmulatedError(message)

    def identifier(self):
        token = self.tokens[self.at]
        self.at += 1
        return token.text if token.token_type is TokenType.IDENTIFIER else token.text.upper()

    def name(self):
        parts = [self.identifier()]
        while self.take("."):
            parts.append(self.identifier())
        return tuple(parts)

    def type(self):
        start = self.tokens[self.at].start
        end = self.tokens[self.at].end
        self.at += 1
        if self.text() == "(":
            while self.text() != ")":
                self.at += 1
            end = self.tokens[self.at].end
            self.at += 1
        return self.sql[start : end + 1].upper()

    def strings(self):
        """Read 'a' or ('a', 'b')."""
        if not self.take("("):
            self.at += 1
            return self.tokens[self.at - 1].text
        found = []
        while not self.take(")"):
            found.append(self.tokens[self.at].text)
            self.at += 1
            self.take(",")
        return tuple(found)


def read_function(sql: str) -> Definition:
    """Take a CREATE FUNCTION statement apart; refuse what is not known."""
    reader = Reader(sql)
    reader.expect("CREATE")
    replace = reader.take("OR", "REPLACE")
    secure = reader.take("SECURE")
    reader.expect("FUNCTION")
    keep = reader.take("IF", "NOT", "EXISTS")
    name = reader.name()
    reader.expect("(")
    arguments = []
    while not reader.take(")"):
        arguments.append((reader.identifier(), reader.type()))
        reader.take(",")
    options = {"copy_grants": reader.take("COPY", "GRANTS"), "keep": keep}
    reader.expect("RETURNS")
    returns = reader.type()
    language, body = "SQL", None
    while reader.text():
        word = reader.text()
        reader.at += 1
        if word == "LANGUAGE":
            language = reader.identifier()
        elif word == "AS":
            body = reader.tokens[reader.at].text
            reader.at += 1
        elif reader.take("="):
            if word == "ARTIFACT_REPOSITORY":
                options[word] = ".".join(reader.name())
            else:
                options[word] = reader.strings()
        elif (word, reader.text()) == ("CALLED", "ON"):
            reader.expect("ON", "NULL", "INPUT")
        elif word == "NOT":
            reader.expect("NULL")
        elif word not in {"IMMUTABLE", "VOLATILE", "MEMOIZABLE", "STRICT", ";"}:
            message = f"{word} in CREATE FUNCTION"
            raise NotEmulatedError(message)
    if language not in {"SQL", "PYTHON"}:
        message = f"LANGUAGE {language}"
        raise NotEmulatedError(message)
    return Definition(name, tuple(arguments), replace, secure, returns, language, body, options)


class Code:
    """A handler's code: files and body. It has modules of its own, as a process of its own has."""

    def __init__(self, files, body, module):
        self.modules = {}
        self.folder = tempfile.mkdtemp(prefix="imports-")
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = []
        for name, content in files:
            path = Path(self.folder) / name
            path.write_bytes(content)
            self.path.append(str(path))
        with self.inside():
            self.loaded = self.load(module, body)

    @staticmethod
    def load(module, body):
        if body is None:
            return importlib.import_module(module)
        made = types.ModuleType("_udf_code")
        sys.modules[made.__name__] = made
        exec(compile(body, "_udf_code.py", "exec"), made.__dict__)  # noqa: S102
        return importlib.import_module(module) if module else made

    @contextmanager
    def inside(self):
        """Show the handler its own modules alone, as another process would."""
        with _LOCK:
            kept = dict(sys.modules)
            path, options = list(sys.path), dict(sys._xoptions)
            for name in list(sys.modules):
                if name.split(".")[0] in HIDDEN:
                    del sys.modules[name]
            sys.modules.update(dict.fromkeys(HIDDEN), _snowflake=runtime(), **self.modules)
            before = set(sys.modules)
            sys.path[:0] = self.path
            sys._xoptions["snowflake_import_directory"] = f"{self.folder}/"
            importlib.invalidate_caches()
            try:
                yield
            finally:
                made = {name: sys.modules[name] for name in set(sys.modules) - before}
                own = {name: each for name, each in made.items() if self.owns(each)}
                self.modules |= own
                for name in own:
                    del sys.modules[name]
                for name in (*HIDDEN, "_snowflake", *self.modules):
                    sys.modules.pop(name, None)
                sys.modules.update(kept)
                sys.path[:] = path
                sys._xoptions.clear()
                sys._xoptions.update(options)

    def owns(self, module):
        place = getattr(module, "__file__", None)
        return place is None or any(place.startswith(path) for path in self.path)


# Loading takes half a second; what was loaded is what the same bytes would be.
load_code = lru_cache(maxsize=16)(Code)


class Handler:
    """A Python function of Snowflake's."""

    def __init__(self, definition, files):
        self.definition = definition
        module, _, entry = str(definition.options["HANDLER"]).rpartition(".")
        self.code = load_code(files, definition.body, module)
        self.call = getattr(self.code.loaded, entry)
        self.limit = getattr(self.call, "_sf_max_batch_size", None)
        if getattr(self.call, "_sf_vectorized_input", None) is not pd.DataFrame:
            message = "a Python handler that is called row by row"
            raise NotEmulatedError(message)

    def __call__(self, *columns):
        """Answer DuckDB's chunk, in ragged batches."""
        lists = [column.combine_chunks() for column in columns]
        length = len(columns[0]) if columns else 1
        answers, start, turn = [], 0, 0
        while start < length:
            size = min(BATCHES[turn % len(BATCHES)], self.limit or length)
            part = [each.slice(start, size) for each in lists]
            answers += self.batch(part, min(size, length - start))
            start, turn = start + size, turn + 1
        return pa.array(answers, arrow_type(self.definition.returns))

    def batch(self, part, length):
        frame = pd.DataFrame(
            {
                place: series(values, type_)
                for place, (values, (_, type_)) in enumerate(
                    zip(part, self.definition.arguments, strict=True)
                )
            },
            index=pd.RangeIndex(length),
        )
        with self.code.inside():
            found = list(self.call(frame))
        if len(found) != length:
            message = f"the handler gave {len(found)} answers to {length} rows"
            raise ValueError(message)
        return [plain(each, self.definition.returns) for each in found]


def runtime():
    """Make the module that Snowflake gives to handlers."""
    module = types.ModuleType("_snowflake")
    module.udf_init_once = lambda function: function

    def vectorized(input, max_batch_size=None):  # noqa: A002 - Snowflake's own name
        def mark(function):
            function._sf_vectorized_input = input
            function._sf_max_batch_size = max_batch_size
            return function

        return mark

    module.vectorized = vectorized
    return module


def series(values, type_):
    """Give a column as Snowflake's documentation says that a handler gets it."""
    kind, listed = duck_type(type_), values.to_pylist()
    nullable = {"BIGINT": "Int64", "BOOLEAN": "boolean", "VARCHAR": "string"}
    if kind == "DOUBLE":
        return pd.Series(np.array([np.nan if v is None else v for v in listed], np.float64))
    if kind in nullable:
        return pd.Series(pd.array(listed, nullable[kind]))
    if kind in {"TIMESTAMP", "DATE"}:
        return pd.Series(pd.to_datetime(pd.Series(listed, dtype="object"))).astype("datetime64[ns]")
    if kind == "JSON":
        listed = [v if v is None else json.loads(v) for v in listed]
    return pd.Series(listed, dtype="object")


def arrow_type(returns):
    kinds = {"DOUBLE": pa.float64(), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_()}
    kinds |= {"VARCHAR": pa.string(), "JSON": pa.string()}
    kind = duck_type(returns)
    if kind not in kinds:
        message = f"a Python function that returns {returns}"
        raise NotEmulatedError(message)
    return kinds[kind]


def plain(value, returns):
    """Take a handler's answer as Snowflake would: of the declared type, or an error."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    match duck_type(returns):
        case "JSON":
            return json.dumps(value, allow_nan=False)
        case "DOUBLE":
            return float(value)
        case "BIGINT":
            return int(Decimal(str(value)))
        case "BOOLEAN":
            return bool(value)
        case _:
            if not isinstance(value, str):
                message = f"{value!r} is no {returns}"
                raise TypeError(message)
            return str(value)
