{# Where a model is no function, its SQL stands in the query: macros/foresql_models.sql of the
   project, which `foresql dbt-macros` writes, holds it. #}
{% macro default__answer(kind, reference, row, relation) -%}
    {% if not execute %}{{ return('null') }}{% endif %}
    {% set known = foresql.inlined_model(reference) %}
    {% set stored = foresql.stored_columns(reference, known, relation) %}
    {% set rows = '(select 1 as foresql_kept, ' ~ foresql.given_columns(row, stored) ~ ') as foresql_given' %}
    {{ return(
        '(\n    select ' ~ foresql.inlined_answer(kind, reference, known) ~ '\n    from (\n'
        ~ foresql_query(reference, rows, 'foresql_kept') | trim
        ~ '\n    ) as foresql_answers\n) /* foresql: ' ~ reference ~ ' is version ' ~ known.version ~ ' */'
    ) }}
{%- endmacro %}

{# The version whose SQL the file holds: nothing else can answer. #}
{% macro default__answering_version(reference) -%}
    {% if not execute %}{{ return('null') }}{% endif %}
    {{ return('cast(' ~ foresql.inlined_model(reference).version ~ ' as ' ~ dbt.type_bigint() ~ ')') }}
{%- endmacro %}

{% macro default__named_version(reference) -%}
    {{ return(foresql.inlined_model(reference).version) }}
{%- endmacro %}

{# The model's query over all stale rows: planned and run once, not once a row. #}
{% macro default__scored_rows(reference, features, keys, outputs, hash, keep) -%}
    {% if not execute %}{{ return('select 1 as not_compiled') }}{% endif %}
    {% set known = foresql.inlined_model(reference) %}
    {% set stored = foresql.stored_columns(reference, known, features) %}
    {% set kept = [] %}
    {% set given = [] %}
    {% set named = [] %}
    {% for name in keys + keep %}
        {% set place = 'foresql_kept_' ~ loop.index %}
        {% do kept.append(place) %}
        {% do given.append('foresql_stale.' ~ foresql.column(name) ~ ' as ' ~ place) %}
        {% do named.append(place ~ ' as ' ~ foresql.column(name)) %}
    {% endfor %}
    {% do kept.append('foresql_hash') %}
    {% do given.append('foresql_stale.' ~ foresql.column(hash) ~ ' as foresql_hash') %}
    {% do named.append('foresql_hash as features_hash') %}
    {% for kind, name in outputs.items() %}
        {% do named.append(foresql.inlined_answer(kind, reference, known) ~ ' as ' ~ foresql.column(name)) %}
    {% endfor %}
    {% set rows = '(select ' ~ given | join(', ') ~ ', ' ~ foresql.given_columns('foresql_stale', stored)
        ~ ' from foresql_stale) as foresql_given' %}
    {% set answers %}
    select
        {{ named | join(',\n        ') }}
    from (
        {{ foresql_query(reference, rows, kept | join(', ')) | trim }}
    ) as foresql_answers
    {%- endset %}
    {{ return(foresql.scored_query(
        reference, features, keys, outputs, hash, keep, known.version, answers
    )) }}
{%- endmacro %}


{# What the file says of a reference, when it holds its SQL for this target. #}
{% macro inlined_model(reference) -%}
    {% set known = foresql.known_model(reference) %}
    {% if known is none %}
        {% do foresql.refuse_unknown(reference) %}
    {% elif target.type not in known.get('inlined', {}) %}
        {% do exceptions.raise_compiler_error(
            'macros/foresql_models.sql has ' ~ reference ~ ' for '
            ~ (known.get('targets', ['snowflake']) | join(', ')) ~ ', and not as SQL for '
            ~ target.type ~ ', where models are no functions.\n  What to do: '
            ~ foresql.compile_command([])
        ) %}
    {% endif %}
    {{ return(known) }}
{%- endmacro %}

{% macro inlined_answer(kind, reference, known) -%}
    {% set inlined = known.inlined[target.type] %}
    {% if kind not in inlined.answers %}
        {% do foresql.refuse_answer(kind, reference, inlined.omitted.get(kind, 'it is not there')) %}
    {% endif %}
    {{ return(inlined.answers[kind]) }}
{%- endmacro %}

{# The model's columns by the model's names, from where they are stored. #}
{% macro given_columns(row, stored) -%}
    {% set columns = [] %}
    {% for name, place in stored.items() %}
        {% do columns.append(row ~ '.' ~ foresql.identifier(place) ~ ' as ' ~ foresql.identifier(name)) %}
    {% endfor %}
    {{ return(columns | join(', ')) }}
{%- endmacro %}
