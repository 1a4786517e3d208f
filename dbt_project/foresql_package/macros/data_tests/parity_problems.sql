{# Golden rows for which the model does not answer as its certificate says. #}
{% macro parity_problems(reference) -%}
    {{ return(adapter.dispatch('parity_problems', 'foresql')(reference)) }}
{%- endmacro %}

{# The plugin reads the golden rows from the version's bundle. #}
{% macro duckdb__parity_problems(reference) -%}
{% set golden = 'foresql_golden_' ~ foresql.function_suffix(reference) %}
{% if not run_query('select 1 from duckdb_functions() where function_name = ' ~ foresql.literal(golden)).rows %}
    {% do exceptions.raise_compiler_error(
        reference ~ ' has no golden rows to ask for.\n  What to do: publish it (`foresql models` lists '
        ~ 'what there is), and name it in profiles.yml under the models of foresql.udfs.dbt.'
    ) %}
{% endif %}
{% set shape = run_query(
    'select len(g), coalesce(len(g[1].low), 0), coalesce(len(g[1].probability_low), 0) from (select '
    ~ golden ~ "('') as g)"
).rows[0] %}
{% set numbers, classes = shape[1] | int, shape[2] | int %}
{% set pairs = [] %}
{% for i in range(1, numbers + 1) %}
    {% do pairs.append(['prediction' ~ ('[' ~ i ~ ']' if numbers > 1 else ''), 'g.low[' ~ i ~ ']', 'g.high[' ~ i ~ ']']) %}
{% endfor %}
{% for i in range(1, classes + 1) %}
    {% set value = 'struct_extract_at(probability, ' ~ i ~ ')' if classes > 1 else 'probability' %}
    {% do pairs.append([value, 'g.probability_low[' ~ i ~ ']', 'g.probability_high[' ~ i ~ ']']) %}
{% endfor %}
with golden as (
    select unnest({{ golden }}('')) as g
),

answers as {{ foresql.materialized() }}(
    select
        g,
        {{ foresql.predict(reference, 'g.features') }} as prediction
        {%- if classes %},
        {{ foresql.predict_proba(reference, 'g.features') }} as probability
        {%- endif %}
    from golden
)

{{ foresql.parity_flaws(reference, pairs, 'g.number', none if numbers else 'g.label') }}
{%- endmacro %}


{# Elsewhere the compile step wrote them into macros/foresql_models.sql. #}
{% macro known_golden(reference) -%}
    {% set known = foresql.known_model(reference) or {} %}
    {% set name = foresql.reference_parts(reference)[0] %}
    {% set golden = foresql.known_facts(name ~ ':' ~ known.version).get('golden', {}) %}
    {% if target.type not in golden %}
        {% do exceptions.raise_compiler_error(
            'macros/foresql_models.sql holds no golden rows of ' ~ reference ~ ' for ' ~ target.type
            ~ '.\n  What to do: foresql dbt-macros ' ~ reference ~ ' --to ' ~ target.type
            ~ ' --into macros/foresql_models.sql. Golden rows are written for Postgres and '
            ~ 'Snowflake, of versions that keep some.'
        ) %}
    {% endif %}
    {{ return(golden[target.type]) }}
{%- endmacro %}

{# The model's SQL stands in the query. #}
{% macro default__parity_problems(reference) -%}
{% set known, golden = foresql.inlined_model(reference), foresql.known_golden(reference) %}
{% set kept = ['golden_number'] + (['golden_low', 'golden_high'] if golden.numbers else ['golden_label'])
    + (['golden_probability_low', 'golden_probability_high'] if golden.classes else []) %}
{% set rows = '(\n    ' ~ golden.rows | join('\n    union all ') ~ '\n) as foresql_given' %}
with answers as {{ foresql.materialized() }}(
    select
        {{ kept | join(', ') }},
        {{ foresql.inlined_answer('predict', reference, known) }} as prediction
        {%- if golden.classes %},
        {{ foresql.inlined_answer('predict_proba', reference, known) }} as probability
        {%- endif %}
    from (
        {{ foresql_query(reference, rows, kept | join(', ')) | trim }}
    ) as foresql_answers
)

{{ foresql.golden_flaws(reference, golden) }}
{%- endmacro %}

{# The deployed functions answer. #}
{% macro snowflake__parity_problems(reference) -%}
{% set golden = foresql.known_golden(reference) %}
with golden as (
    {{ golden.rows | join('\n    union all ') }}
),

answers as (
    select
        golden.*,
        {{ foresql.predict(reference, 'golden') }} as prediction
        {%- if golden.classes %},
        {{ foresql.predict_proba(reference, 'golden') }} as probability
        {%- endif %}
    from golden
)

{{ foresql.golden_flaws(reference, golden) }}
{%- endmacro %}

{% macro golden_flaws(reference, golden) -%}
{% set pairs = [] %}
{% if golden.numbers %}
    {% do pairs.append(['prediction', 'golden_low', 'golden_high']) %}
{% endif %}
{% if golden.classes %}
    {% do pairs.append(['probability', 'golden_probability_low', 'golden_probability_high']) %}
{% endif %}
{{ return(foresql.parity_flaws(reference, pairs, 'golden_number', none if golden.numbers else 'golden_label')) }}
{%- endmacro %}


{# `pairs` are values of `answers` and the ends between which they lie; `label` is a column of it. #}
{% macro parity_flaws(reference, pairs, number, label) -%}
select flaws.*
from (
    select
        {{ number }} as golden_row,
        case
            {%- if label %}
            when prediction is distinct from {{ label }}
                then {{ foresql.literal(reference ~ ' answers ') }} || coalesce(cast(prediction as varchar), 'NULL')
                    || ', and its certificate ' || coalesce(cast({{ label }} as varchar), 'NULL')
            {%- endif %}
            {%- for value, low, high in pairs %}
            when {{ value }} is null or not ({{ value }} >= {{ low }} and {{ value }} <= {{ high }})
                then {{ foresql.literal(reference ~ ' answers ') }} || coalesce(cast({{ value }} as varchar), 'NULL')
                    || ', and its certificate between ' || cast({{ low }} as varchar) || ' and '
                    || cast({{ high }} as varchar)
            {%- endfor %}
        end || ' for golden row ' || cast({{ number }} as varchar) as problem
    from answers
) as flaws
where flaws.problem is not null
union all
select
    cast(null as bigint),
    {{ foresql.literal(reference ~ ' keeps no golden rows. What to do: publish it again') }}
where not exists (select 1 from answers)
{%- endmacro %}
