{# A published model's answers, one a row. `reference` is 'delay@champion'; `row` is the alias of
   the table or CTE that holds the model's columns. With `relation`, where that table's columns
   come from, missing columns and wrong types are found before the query runs.

   What answers is in adapters/: functions in DuckDB and Snowflake, the model as SQL elsewhere. #}
{% macro predict(reference, row, relation=none) -%}
    {% do foresql.record_reference(reference, {}) %}
    {{ return(foresql.answer('predict', reference, row, relation)) }}
{%- endmacro %}

{# The positive class's probability; of more than two classes, one probability a class. #}
{% macro predict_proba(reference, row, relation=none) -%}
    {% do foresql.record_reference(reference, {}) %}
    {{ return(foresql.answer('predict_proba', reference, row, relation)) }}
{%- endmacro %}

{# The version in the registry that answers now, a BIGINT. #}
{% macro model_version(reference) -%}
    {% do foresql.record_reference(reference, {}) %}
    {{ return(foresql.answering_version(reference)) }}
{%- endmacro %}

{% macro answer(kind, reference, row, relation) -%}
    {% do foresql.reference_parts(reference) %}
    {{ return(adapter.dispatch('answer', 'foresql')(kind, reference, row, relation)) }}
{%- endmacro %}

{% macro answering_version(reference) -%}
    {% do foresql.reference_parts(reference) %}
    {{ return(adapter.dispatch('answering_version', 'foresql')(reference)) }}
{%- endmacro %}

{# Whether this invocation runs what it compiles, so that what it asks the database is worth it. #}
{% macro runs_queries() -%}
    {{ return(execute and flags.WHICH in ('build', 'run', 'test', 'snapshot', 'show', 'retry', 'run-operation')) }}
{%- endmacro %}

{# While dbt parses: what the manifest says of the models that a query calls. The first reference
   stands in meta.foresql itself, and all of them in its `models`. `more` is said besides. #}
{% macro record_reference(reference, more) -%}
    {% if execute or model is not mapping %}{{ return('') }}{% endif %}
    {% set known = foresql.known_model(reference) %}
    {% set found = {'reference': reference} %}
    {% if known is not none %}
        {% do found.update({
            'version': known.version, 'sha256': known.sha256, 'certified_rows': known.certified_rows,
        }) %}
    {% endif %}
    {% set meta = model.get('foresql_meta', {}) %}
    {% if not meta %}{% do meta.update(found) %}{% endif %}
    {% do meta.setdefault('models', {}).update({reference: found}) %}
    {% if more %}{% do meta.update(found) %}{% do meta.update(more) %}{% endif %}
    {% do model.update({'foresql_meta': meta}) %}
    {{ config(meta={'foresql': meta}) }}
{%- endmacro %}
