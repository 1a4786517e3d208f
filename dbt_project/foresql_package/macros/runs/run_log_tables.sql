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

{# Statements that bring the tables to what this release writes; none where they are. #}
{% macro run_log_migration() -%}
    {% set tables, statements = foresql.run_log_columns(), [] %}
    {% set found = foresql.own_columns(tables | list) %}
    {% for table, columns in tables.items() %}
        {% do statements.extend(foresql.own_table_statements(table, columns, found[table])) %}
    {% endfor %}
    {{ return(foresql.own_schema_statements() + statements if statements else []) }}
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
