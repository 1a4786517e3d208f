{# What brings foresql's own tables, the run log's and the catalogue's, to what this release writes. #}

{# The columns that are there now, by table, in lower case. #}
{% macro own_columns(tables) -%}
    {{ return(adapter.dispatch('own_columns', 'foresql')(tables)) }}
{%- endmacro %}

{# To describe a table that is not there is an error, so the catalogue of the database is asked. #}
{% macro default__own_columns(tables) -%}
    {% set relation, found, names = foresql.relation(tables[0]), {}, [] %}
    {% for table in tables %}
        {% do found.update({table: []}) %}
        {% do names.append(foresql.literal(table)) %}
    {% endfor %}
    {% set columns = run_query(
        'select lower(table_name), lower(column_name) from '
        ~ relation.information_schema('columns')
        ~ ' where lower(table_catalog) = ' ~ foresql.literal(relation.database | lower)
        ~ ' and lower(table_schema) = ' ~ foresql.literal(relation.schema | lower)
        ~ ' and lower(table_name) in (' ~ names | join(', ') ~ ')'
    ) %}
    {% for row in columns.rows %}
        {% do found[row[0]].append(row[1]) %}
    {% endfor %}
    {{ return(found) }}
{%- endmacro %}

{# To list all columns, DuckDB binds all views of the database: slow, and one may be broken. #}
{% macro duckdb__own_columns(tables) -%}
    {% set found = {} %}
    {% for table in tables %}
        {% set columns = adapter.get_columns_in_relation(foresql.relation(table)) %}
        {% do found.update({table: columns | map(attribute='name') | map('lower') | list}) %}
    {% endfor %}
    {{ return(found) }}
{%- endmacro %}

{# Statements that make a table, or add the columns that an older release's lacks; none where it is
   whole. `columns` are types by name; `there` are the names that the table has. #}
{% macro own_table_statements(table, columns, there) -%}
    {% set relation, lacking, statements = foresql.relation(table), [], [] %}
    {% for name, type in columns.items() if name not in there %}
        {% do lacking.append(foresql.column(name) ~ ' ' ~ type) %}
    {% endfor %}
    {% if not there %}
        {{ return(['create table if not exists ' ~ relation ~ ' (' ~ lacking | join(', ') ~ ')']) }}
    {% endif %}
    {% for column in lacking %}
        {% do statements.append('alter table ' ~ relation ~ ' add column if not exists ' ~ column) %}
    {% endfor %}
    {{ return(statements) }}
{%- endmacro %}

{# The statement that makes their schema. Asked first: a role that may not make schemas may still
   write into one that is there. #}
{% macro own_schema_statements() -%}
    {% set schema = foresql.relation('runs').without_identifier() %}
    {% if adapter.check_schema_exists(schema.database, schema.schema) %}
        {{ return([]) }}
    {% endif %}
    {# Postgres takes no database's name here. #}
    {{ return(['create schema if not exists ' ~ schema.include(database=target.type != 'postgres')]) }}
{%- endmacro %}
