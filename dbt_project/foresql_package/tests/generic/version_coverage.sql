{# Every key of the features has exactly one prediction, made by the version that answers now from
   the features as they are now; a key that left the features has none. A model that foresql.scored
   makes knows all arguments by itself; for another, `features` is ref('…'). #}
{% test version_coverage(model, features=none, key=none, reference=none, hash=none) %}
{% set keys = foresql.key_columns(foresql.tested_argument(key, 'key', 'version_coverage')) %}
{% set reference = foresql.tested_argument(reference, 'reference', 'version_coverage') %}
{% set hash = foresql.tested_argument(hash, 'hash', 'version_coverage') %}
{% set features = foresql.tested_features(features) %}
{% if execute %}
{% set first = foresql.column(keys[0]) %}
with answering as (
    select
        {{ foresql.literal(foresql.reference_parts(reference)[0]) }} as model_name,
        {{ foresql.model_version(reference) }} as model_version
),

stored as (
    select {% for name in keys %}{{ foresql.column(name) }}, {% endfor -%}
        count(*) as predictions, min(model_name) as model_name, min(model_version) as model_version,
        min(features_hash) as features_hash
    from {{ model }}
    group by {% for name in keys %}{{ foresql.column(name) }}{{ ', ' if not loop.last }}{% endfor %}
),

compared as (
    select
        {% for name in keys -%}
        coalesce(features.{{ foresql.column(name) }}, stored.{{ foresql.column(name) }}) as {{ foresql.column(name) }},
        {% endfor -%}
        case
            when stored.{{ first }} is null then 'has no prediction'
            when features.{{ first }} is null then 'is not in the features any more'
            when stored.predictions > 1
                then 'has ' || cast(stored.predictions as varchar) || ' predictions'
            when stored.model_name is distinct from answering.model_name
                or stored.model_version is distinct from answering.model_version
                then 'was scored by ' || coalesce(stored.model_name, 'no model') || ':'
                    || coalesce(cast(stored.model_version as varchar), 'no version') || ', and '
                    || answering.model_name || ':' || cast(answering.model_version as varchar)
                    || ' answers now'
            when stored.features_hash is distinct from features.{{ foresql.column(hash) }}
                then 'was scored before its features changed'
        end as flaw
    from {{ features }} as features
    full outer join stored
        on {% for name in keys -%}
        features.{{ foresql.column(name) }} = stored.{{ foresql.column(name) }}
        {%- if not loop.last %} and {% endif %}
        {%- endfor %}
    cross join answering
)

select compared.*, {{ foresql.key_text('compared', keys) }} || ' ' || flaw as problem
from compared
where flaw is not null
{% endif %}
{% endtest %}
