{# What an analytics engineer may have written wrong, said before anything else is done. #}
{% macro check_scored_arguments(reference, keys, outputs, hash, keep) -%}
    {% do foresql.reference_parts(reference) %}
    {% set problem = [] %}
    {% if not keys %}
        {% do problem.append("names no key. Write key='id', or a list of columns") %}
    {% endif %}
    {% if not outputs %}
        {% do problem.append("asks for no answer. Write predict='…', predict_proba='…' or both: what their columns are called") %}
    {% endif %}
    {% set seen = [] %}
    {% for name in keys + outputs.values() | list + keep | list
        + ['model_name', 'model_version', 'features_hash', 'scored_at', 'run_id'] %}
        {% if name | lower in seen %}
            {% do problem.append("gives the column '" ~ name ~ "' twice. Give one of them another name") %}
        {% endif %}
        {% do seen.append(name | lower) %}
    {% endfor %}
    {% if problem %}
        {% do exceptions.raise_compiler_error(
            "foresql.scored('" ~ reference ~ "', …) in " ~ model.name ~ ' ' ~ problem[0] ~ '.'
        ) %}
    {% endif %}
{%- endmacro %}


{# While dbt parses: how the table is built, and what the manifest says of it. #}
{% macro configure_scored(reference, keys, outputs, hash) -%}
    {% if execute %}{{ return('') }}{% endif %}
    {% set features = foresql.parsed_features() %}
    {# Quoted: dbt writes them as they are, and Postgres takes `user` for who is connected. #}
    {% set names = foresql.column_names(keys) %}
    {% set has_delete = target.type in ('duckdb', 'postgres', 'redshift', 'snowflake') %}
    {{ config(
        materialized='incremental',
        unique_key=names[0] if names | length == 1 else names,
        incremental_strategy='delete+insert' if has_delete else 'merge',
        on_schema_change='append_new_columns',
        pre_hook='{{ foresql.lock_stored() }}',
        post_hook='{{ foresql.delete_gone_keys(' ~ features.call ~ ', ' ~ tojson(keys) ~ ', ' ~ tojson(hash) ~ ') }}',
        tags=['predictions'],
    ) }}
    {% do foresql.record_reference(reference, {
        'scored': true,
        'key': keys,
        'features': features.name,
        'hash': hash,
        'outputs': outputs,
    }) %}
{%- endmacro %}

{# While dbt parses, ref() gives no relation yet: its last call in the model is the features'. Once
   it runs, check_last_ref looks whether it really is. #}
{% macro parsed_features() -%}
    {% set refs = builtins.ref.model.refs %}
    {% set sources = builtins.source.model.sources %}
    {% if refs %}
        {% set last = refs[-1] %}
        {% set package = tojson(last.package) ~ ', ' if last.package else '' %}
        {% set version = ', version=' ~ tojson(last.version) if last.version is not none else '' %}
        {{ return({
            'name': last.name, 'call': 'ref(' ~ package ~ tojson(last.name) ~ version ~ ')',
            'relation': builtins.ref(last.package, last.name, version=last.version) if last.package
            else builtins.ref(last.name, version=last.version),
        }) }}
    {% elif sources %}
        {% set last = sources[-1] %}
        {{ return({
            'name': last | join('.'), 'call': 'source(' ~ last | map('tojson') | join(', ') ~ ')',
            'relation': builtins.source(last[0], last[1]),
        }) }}
    {% endif %}
    {% do exceptions.raise_compiler_error(
        'foresql.scored in ' ~ model.name ~ " needs the features as ref('…') or source('…', '…'), "
        ~ 'so that dbt builds them first.'
    ) %}
{%- endmacro %}
