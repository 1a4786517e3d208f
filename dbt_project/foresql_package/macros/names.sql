{# A name as it is stored, as an identifier. #}
{% macro identifier(name) -%}
    {% set mark = adapter.quote('x')[0] %}
    {{ return(mark ~ name | replace(mark, mark ~ mark) ~ mark) }}
{%- endmacro %}

{# A column by the name that a model of dbt gives it. #}
{% macro column(name) -%}
    {{ return(adapter.dispatch('column', 'foresql')(name)) }}
{%- endmacro %}

{% macro default__column(name) -%}
    {{ return(foresql.identifier(name)) }}
{%- endmacro %}

{# A plain name is stored in upper case, whoever wrote it; any other as it is. #}
{% macro snowflake__column(name) -%}
    {% set is_plain = modules.re.fullmatch('[A-Za-z_][A-Za-z0-9_]*', name) %}
    {{ return(foresql.identifier(name | upper if is_plain else name)) }}
{%- endmacro %}

{% macro column_names(names) -%}
    {% set columns = [] %}
    {% for name in names %}{% do columns.append(foresql.column(name)) %}{% endfor %}
    {{ return(columns) }}
{%- endmacro %}

{# A text as a literal. #}
{% macro literal(text) -%}
    {{ return(adapter.dispatch('literal', 'foresql')(text)) }}
{%- endmacro %}

{% macro default__literal(text) -%}
    {{ return("'" ~ text | replace("'", "''") ~ "'") }}
{%- endmacro %}

{% macro snowflake__literal(text) -%}
    {{ return("'" ~ text | replace('\\', '\\\\') | replace("'", "''") ~ "'") }}
{%- endmacro %}

{# The schema of foresql's own tables: the run log, the catalogue. #}
{% macro schema_name() -%}
    {{ return(var('foresql_schema', 'foresql')) }}
{%- endmacro %}

{# One of these tables, such as foresql.relation('runs'). #}
{% macro relation(name) -%}
    {{ return(api.Relation.create(
        database=target.database, schema=foresql.schema_name(), identifier=name, type='table'
    )) }}
{%- endmacro %}

{# A time without a zone. In Snowflake what `timestamp` means is a setting of the account. #}
{% macro timestamp_type() -%}
    {{ return(adapter.dispatch('timestamp_type', 'foresql')()) }}
{%- endmacro %}

{% macro default__timestamp_type() -%}
    {{ return('timestamp') }}
{%- endmacro %}

{% macro snowflake__timestamp_type() -%}
    {{ return('timestamp_ntz') }}
{%- endmacro %}

{# `with answers as {{ foresql.materialized() }}(…)`: computed once, not again wherever it is read.
   Only these two have a word for it. #}
{% macro materialized() -%}
    {{ return('materialized ' if target.type in ('duckdb', 'postgres') else '') }}
{%- endmacro %}
