{# Runs the statements together, and gives what kept them from being run, or none. A run never
   fails because its log cannot be written. Jinja catches no error, so each engine does. #}
{% macro write_run_log(statements) -%}
    {% set problem = adapter.dispatch('write_run_log', 'foresql')(statements) %}
    {% if problem %}
        {% do log(
            'Warning: foresql could not write the run log: ' ~ foresql.run_log_line(problem)
            ~ '\n  What to do: ' ~ adapter.dispatch('run_log_grants', 'foresql')()
            ~ ' Or keep no run log: `vars: {foresql_run_log: false}`.', info=true
        ) %}
    {% endif %}
{%- endmacro %}

{% macro default__write_run_log(statements) -%}
    {{ return('it is kept on DuckDB, Postgres and Snowflake, and this is ' ~ target.type ~ '.') }}
{%- endmacro %}

{# DuckDB has no grants: what cannot be written is a database that was opened for reading. #}
{% macro duckdb__write_run_log(statements) -%}
    {% set database = foresql.relation('runs').database %}
    {% set found = run_query(
        'select readonly from duckdb_databases() where database_name = '
        ~ foresql.run_log_value(database)
    ) %}
    {% if found.rows and found.rows[0][0] %}
        {{ return('the database ' ~ database ~ ' is open for reading only.') }}
    {% endif %}
    {% call statement('foresql_run_log', auto_begin=true) %}{{ statements | join(';\n') }}{% endcall %}
    {% do adapter.commit() %}
    {{ return(none) }}
{%- endmacro %}

{# One block, which an error undoes as a whole. Runs that start together make the tables in turn. #}
{% macro postgres__write_run_log(statements) -%}
    {% set block %}
        begin
            perform set_config('foresql.problem', '', false);
            perform pg_advisory_xact_lock(hashtext('foresql run log'));
            {{ statements | join(';\n') }};
        exception when others then
            perform set_config('foresql.problem', sqlerrm, false);
        end
    {% endset %}
    {% call statement('foresql_run_log', auto_begin=true) %}
        do language plpgsql {{ foresql.run_log_value(block) }}
    {% endcall %}
    {% do adapter.commit() %}
    {{ return(run_query("select current_setting('foresql.problem', true)").rows[0][0]) }}
{%- endmacro %}

{% macro snowflake__write_run_log(statements) -%}
    {% set block %}
        begin
            {{ statements | join(';\n            ') }};
            return '';
        exception
            when other then
                return sqlerrm;
        end;
    {% endset %}
    {{ return(run_query('execute immediate ' ~ foresql.run_log_value(block)).rows[0][0]) }}
{%- endmacro %}


{% macro default__run_log_grants() -%}
    {{ return('Nothing else is missing.') }}
{%- endmacro %}

{% macro duckdb__run_log_grants() -%}
    {{ return('open the database for writing: take `access_mode: read_only` out of profiles.yml.') }}
{%- endmacro %}

{% macro postgres__run_log_grants() -%}
    {% set runs, tables = foresql.relation('runs'), foresql.relation('run_tables') %}
    {% set schema, role = adapter.quote(runs.schema), adapter.quote(target.user) %}
    {{ return(
        'let the owner of the database run `create schema if not exists ' ~ schema ~ '; grant '
        ~ 'usage, create on schema ' ~ schema ~ ' to ' ~ role ~ ';`. Where another role made the '
        ~ 'tables, its owner runs `grant select, insert, update on ' ~ runs ~ ', ' ~ tables ~ ' to '
        ~ role ~ ';`.'
    ) }}
{%- endmacro %}

{% macro snowflake__run_log_grants() -%}
    {% set runs, tables = foresql.relation('runs'), foresql.relation('run_tables') %}
    {% set schema, role = runs.without_identifier(), adapter.quote(target.role) %}
    {{ return(
        'run `create schema if not exists ' ~ schema ~ '; grant usage, create table on schema '
        ~ schema ~ ' to role ' ~ role ~ ';`. Where another role made the tables, run `grant '
        ~ 'select, insert, update on table ' ~ runs ~ ' to role ' ~ role ~ ';` and the same for '
        ~ tables ~ '.'
    ) }}
{%- endmacro %}
