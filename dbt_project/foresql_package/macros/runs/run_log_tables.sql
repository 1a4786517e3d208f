{# The tables of the run log and their columns, oldest first. What a release adds goes to the end:
   a table that an older one made gets the columns that it lacks. #}
{% macro run_log_columns() -%}
    {% set text, count, seconds = 'varchar', 'bigint', 'double precision' %}
    {% set time = foresql.timestamp_type() %}
    {{ return({
        'runs': {
            'run_id': text, 'started_at': time, 'finished_at': time, 'seconds': seconds,
            'status': text, 'command': text, 'target': text, 'selection': text,
            'trigger': text, 'schedule': text, 'attempt': 'integer', 'rows_scored': count,
            'versions': text, 'nodes_failed': count, 'message': text,
        },
        'run_tables': {
            'run_id': text, 'node': text, 'relation': text, 'reference': text,
            'model_name': text, 'model_version': count, 'rows_scored': count,
            'rows_total': count, 'seconds': seconds, 'status': text, 'message': text,
        },
    }) }}
{%- endmacro %}

{# The columns that are there now, by table. #}
{% macro run_log_found() -%}
    {{ return(adapter.dispatch('run_log_found', 'foresql')()) }}
{%- endmacro %}

{% macro default__run_log_found() -%}
    {% set relation, found = foresql.relation('runs'), {'runs': [], 'run_tables': []} %}
    {% set columns = run_query(
        'select lower(table_name), lower(column_name) from '
        ~ relation.information_schema('columns')
        ~ ' where lower(table_catalog) = ' ~ foresql.run_log_value(relation.database | lower)
        ~ ' and lower(table_schema) = ' ~ foresql.run_log_value(relation.schema | lower)
        ~ " and lower(table_name) in ('runs', 'run_tables')"
    ) %}
    {% for row in columns.rows %}
        {% do found[row[0]].append(row[1]) %}
    {% endfor %}
    {{ return(found) }}
{%- endmacro %}

{# To list all columns, DuckDB binds all views of the database: slow, and one may be broken. #}
{% macro duckdb__run_log_found() -%}
    {% set found = {} %}
    {% for table in foresql.run_log_columns() %}
        {% set columns = adapter.get_columns_in_relation(foresql.relation(table)) %}
        {% do found.update({table: columns | map(attribute='name') | map('lower') | list}) %}
    {% endfor %}
    {{ return(found) }}
{%- endmacro %}

{# Statements that bring the tables to what this release writes; none where they are. #}
{% macro run_log_migration() -%}
    {% set statements, found = [], foresql.run_log_found() %}
    {% for table, columns in foresql.run_log_columns().items() %}
        {% set relation, lacking = foresql.relation(table), [] %}
        {% for name, type in columns.items() if name not in found[table] %}
            {% do lacking.append(foresql.column(name) ~ ' ' ~ type) %}
        {% endfor %}
        {% if not found[table] %}
            {% do statements.append(
                'create table if not exists ' ~ relation ~ ' (' ~ lacking | join(', ') ~ ')'
            ) %}
        {% else %}
            {% for column in lacking %}
                {% do statements.append(
                    'alter table ' ~ relation ~ ' add column if not exists ' ~ column
                ) %}
            {% endfor %}
        {% endif %}
    {% endfor %}
    {# Asked first: a role that may not make schemas may still write into one that is there. #}
    {% set schema = foresql.relation('runs').without_identifier() %}
    {% if statements and not adapter.check_schema_exists(schema.database, schema.schema) %}
        {# Postgres takes no database's name here. #}
        {% set name = schema.include(database=target.type != 'postgres') %}
        {% do statements.insert(0, 'create schema if not exists ' ~ name) %}
    {% endif %}
    {{ return(statements) }}
{%- endmacro %}

{# `insert into … select …` of values that are SQL already, by column. With `unless`, columns, only
   where no row has these values in them yet. #}
{% macro run_log_insert(table, values, unless=[]) -%}
    {% set relation, names, texts, same = foresql.relation(table), [], [], [] %}
    {% for name, text in values.items() %}
        {% do names.append(foresql.column(name)) %}
        {% do texts.append(text) %}
    {% endfor %}
    {% set statement = 'insert into ' ~ relation ~ ' (' ~ names | join(', ') ~ ') select '
        ~ texts | join(', ') %}
    {% for name in unless %}
        {% do same.append(foresql.column(name) ~ ' = ' ~ values[name]) %}
    {% endfor %}
    {% if unless %}
        {% set statement = statement ~ ' from (select 1 as one) as one where not exists (select 1 from '
            ~ relation ~ ' where ' ~ same | join(' and ') ~ ')' %}
    {% endif %}
    {{ return(statement) }}
{%- endmacro %}

{% macro run_log_update(table, values, where) -%}
    {% set changes = [] %}
    {% for name, text in values.items() %}
        {% do changes.append(foresql.column(name) ~ ' = ' ~ text) %}
    {% endfor %}
    {{ return(
        'update ' ~ foresql.relation(table) ~ ' set ' ~ changes | join(', ') ~ ' where ' ~ where
    ) }}
{%- endmacro %}
