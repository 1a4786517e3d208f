"""The fake account, and what the doctor asks for beside it: lists, grants, clones, streams.

They are answered as Snowflake documents them, from what the account was told.
"""

import re

import duckdb
from snowflake_account import Account, snowflake_error
from snowflake_streams import Streams, block_of, run_block

from foresql.deploy.snowflake.settings import Settings
from foresql.deploy.snowflake.setup import plan_setup

NAMES = re.compile(r'"((?:[^"]|"")+)"')
LISTS = {
    r"SHOW SCHEMAS LIKE": "_schemas",
    r"SHOW WAREHOUSES LIKE": "_warehouses",
    r"SHOW GRANTS ON FUNCTION": "_function_grants",
    r"SHOW GRANTS TO ROLE": "_role_grants",
    r"SHOW FUTURE GRANTS TO ROLE": "_future_grants",
    r"SHOW USER FUNCTIONS": "_functions",
    r"SHOW TASKS": "_tasks",
    r"SELECT SYSTEM\$STREAM_HAS_DATA": "_has_data",
    r"CREATE STREAM": "_create_stream",
    r"EXECUTE IMMEDIATE": "_block",
    r"CREATE TRANSIENT SCHEMA \S+ CLONE": "_clone",
}
DML = re.compile(r"(INSERT|UPDATE|DELETE|MERGE|BEGIN|COMMIT|ROLLBACK)\b")


class DoctorAccount(Account):
    """An account that was set up, and lists what it holds."""

    def __init__(self, *, is_set_up=True):
        super().__init__()
        self.streams = Streams(self)
        self._inside = False
        if is_set_up:
            for step in plan_setup(Settings()).steps:
                self.session.run(step.sql)
            self.role = "FORESQL_DEPLOYER"
            self.statements.clear()

    def run(self, sql):
        if re.match("CREATE TRANSIENT SCHEMA", sql):
            self.comments[NAMES.findall(sql)[1]] = re.search(r"COMMENT = '([^']*)'", sql)[1]
        for pattern, method in LISTS.items():
            if re.match(pattern, sql) and not self._inside:
                self.statements.append(sql)
                self._fail(sql)
                return getattr(self, method)(sql)
        if self._inside or not self.streams.all():
            return super().run(sql)
        return self._with_streams(sql)

    def _with_streams(self, sql):
        self._inside = True
        try:
            if DML.match(sql):
                return self.streams.run(sql), self.session.columns
            if "_CHANGES" in sql:
                self.streams._see()
            return super().run(sql)
        finally:
            self._inside = False

    def _create_stream(self, sql):
        self._inside = True
        try:
            source = re.search(r"ON TABLE (\S+)", sql)[1]
            self.streams.track(source)
            self.streams.create(sql)
        finally:
            self._inside = False
        return [("Stream successfully created.",)], ["status"]

    def _block(self, sql):
        self._inside = True
        try:
            run_block(block_of(sql), self.streams)
        except duckdb.ConversionException as error:
            raise snowflake_error((100038, "22018", str(error))) from error
        finally:
            self._inside = False
        return [("anonymous block",)], ["status"]

    def _has_data(self, sql):
        parts = re.search(r"\('(.*)'\)", sql)[1]
        return [(self.streams.has_data(parts),)], ["answer"]

    def schemas(self):
        rows, columns = self._fakesnow("SHOW SCHEMAS")
        return [row[columns.index("name")] for row in rows]

    def _schemas(self, _):
        rows = [(name, self.comments.get(name, "")) for name in self.schemas()]
        return rows, ["name", "comment"]

    def _warehouses(self, _):
        return [(self.warehouse, "X-Small", 60)], ["name", "size", "auto_suspend"]

    def _function_grants(self, sql):
        signature = sql.removeprefix("SHOW GRANTS ON FUNCTION ")
        roles = [grant.split()[-1] for grant in self.grants if f" {signature} " in grant]
        rows = [("OWNERSHIP", self.role), *(("USAGE", role) for role in roles)]
        return rows, ["privilege", "grantee_name"]

    def _granted_to(self, role):
        """What was granted, as GRANT says it: privileges, kind and name."""
        for grant in self.grants:
            found = re.match(r"GRANT (.*?) ON (.*) TO ROLE \"(.*)\"$", grant)
            if found and found[3] == role:
                yield found[1].split(", "), found[2]

    def _role_grants(self, sql):
        role = NAMES.findall(sql)[0]
        rows = []
        for privileges, on in self._granted_to(role):
            kind, _, place = on.partition(" ")
            if kind != "FUTURE":
                name = place.replace('"', "")
                rows += [(privilege, kind, name) for privilege in privileges]
        for grant in self.grants:
            found = re.match(rf'GRANT DATABASE ROLE (\S+) TO ROLE "{role}"', grant)
            rows += [("USAGE", "DATABASE_ROLE", found[1])] if found else []
        return rows, ["privilege", "granted_on", "name"]

    def _future_grants(self, sql):
        rows = []
        for privileges, on in self._granted_to(NAMES.findall(sql)[0]):
            if on.startswith("FUTURE"):
                kinds, _, place = on.removeprefix("FUTURE ").partition(" IN SCHEMA ")
                kind = kinds.removesuffix("S").replace(" ", "_")
                name = place.replace('"', "") + f".<{kind}>"
                rows += [(privilege, kind, name) for privilege in privileges]
        return rows, ["privilege", "grant_on", "name"]

    def _functions(self, sql):
        name = re.search(r"LIKE '([^']*)'", sql)[1]
        schema = NAMES.findall(sql)[1]
        comments = [f.comment for key, f in self.functions.items() if key[1:3] == (schema, name)]
        return [(name, comment) for comment in comments], ["name", "description"]

    def _tasks(self, _):
        made = {}
        for sql in self.recorded:
            if found := re.match(r"CREATE TASK IF NOT EXISTS (\S+)", sql):
                made[found[1]] = "suspended"
            elif found := re.match(r"ALTER TASK (\S+) (RESUME|SUSPEND)$", sql):
                made[found[1]] = {"RESUME": "started", "SUSPEND": "suspended"}[found[2]]
        return [(NAMES.findall(k)[-1], state) for k, state in made.items()], ["name", "state"]

    def _clone(self, sql):
        _, clone, _, source = NAMES.findall(sql)
        self._fakesnow(f'CREATE SCHEMA "FORESQL"."{clone}"')
        inline = f'FUNCTION "FORESQL"."{source}"."SCALED"'
        (text,) = [each for each in self.statements if inline in each]
        super().run(text.replace(f'"{source}"', f'"{clone}"', 1))
        return [(f"Schema {clone} successfully created.",)], ["status"]
