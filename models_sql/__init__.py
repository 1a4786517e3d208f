"""IR to SQL: a model as a query, in the dialect of any target."""

from .accuracy import LINK as LINK_ULPS
from .accuracy import OTHER as OTHER_ULPS
from .accuracy import ULPS
from .builder import UNCERTAIN_ROW
from .compile import Query, answer_names, compile_query
from .dbt import DbtModel, write_dbt
from .forests import STRATEGIES
from .inlined import Inlined, write_inlined
from .inserts import write_data, write_seed
from .script import Script, data_file, table_statements, with_rows, write_script
from .statement import COMMENT, FORMS, Header, Statement, write_statement
from .steps.kernel_error import roundings_of
from .steps.neighbours import neighbour_roundings
from .steps.stored_points import EPSILON as POINT_EPSILON
from .target import Target
from .targets import target_of, targets

__all__ = [
    "COMMENT",
    "FORMS",
    "LINK_ULPS",
    "OTHER_ULPS",
    "POINT_EPSILON",
    "STRATEGIES",
    "ULPS",
    "UNCERTAIN_ROW",
    "DbtModel",
    "Header",
    "Inlined",
    "Query",
    "Script",
    "Statement",
    "Target",
    "answer_names",
    "compile_query",
    "data_file",
    "neighbour_roundings",
    "roundings_of",
    "table_statements",
    "target_of",
    "targets",
    "with_rows",
    "write_data",
    "write_dbt",
    "write_inlined",
    "write_script",
    "write_seed",
    "write_statement",
]
