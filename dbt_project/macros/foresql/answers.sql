{# A published model's answers, one a row. `reference` is 'delay@champion'; `row` is the alias of
   the table or CTE that holds the model's columns. With `relation`, where that table's columns
   come from, missing columns and wrong types are found before the query runs.

   DuckDB calls the function that the plugin of profiles.yml registers, with the whole row.
   Snowflake calls the function that `foresql deploy` made, with the columns that
   foresql_models.sql names. #}
{% macro predict(reference, row, relation=none) -%}
    {{ return(foresql_call('predict', reference, row, relation)) }}
{%- endmacro %}

{# The positive class's probability; of more than two classes, one probability a class. #}
{% macro predict_proba(reference, row, relation=none) -%}
    {{ return(foresql_call('predict_proba', reference, row, relation)) }}
{%- endmacro %}

{# The version in the registry that answers now. #}
{% macro model_version(reference) -%}
    {{ return(adapter.dispatch('foresql_version')(reference)) }}
{%- endmacro %}

{% macro foresql_call(kind, reference, row, relation) -%}
    {{ return(adapter.dispatch('foresql_call')(kind, reference, row, relation)) }}
{%- endmacro %}


{% macro default__foresql_call(kind, reference, row, relation) -%}
    {{ return(foresql_refuse_target(reference)) }}
{%- endmacro %}

{% macro default__foresql_version(reference) -%}
    {{ return(foresql_refuse_target(reference)) }}
{%- endmacro %}

{% macro foresql_refuse_target(reference) -%}
    {% if execute %}
        {% do exceptions.raise_compiler_error(
            reference ~ ' has no function in ' ~ target.type ~ ': dbt calls models in DuckDB and '
            ~ 'Snowflake.\n  What to do: write the model as SQL, `foresql compile ' ~ reference
            ~ ' --to ' ~ target.type ~ ' --as dbt`.'
        ) %}
    {% endif %}
    {{ return('null') }}
{%- endmacro %}


{% macro duckdb__foresql_call(kind, reference, row, relation) -%}
    {{ return(kind ~ '_' ~ foresql_suffix(reference) ~ '(' ~ row ~ ')') }}
{%- endmacro %}

{% macro duckdb__foresql_version(reference) -%}
    {{ return('version_' ~ foresql_suffix(reference) ~ '()') }}
{%- endmacro %}

{# The champion's functions are named after the model alone: predict_delay. #}
{% macro foresql_suffix(reference) -%}
    {% set name, alias = foresql_parts(reference) %}
    {{ return(name if alias == 'champion' else name ~ '_' ~ alias) }}
{%- endmacro %}

{% macro foresql_parts(reference) -%}
    {% set parts = reference.split('@') %}
    {% if parts | length != 2 or not parts[0] or not parts[1] %}
        {% do exceptions.raise_compiler_error(
            "'" ~ reference ~ "' names no alias of a model. Write 'delay@champion'."
        ) %}
    {% endif %}
    {{ return(parts) }}
{%- endmacro %}
