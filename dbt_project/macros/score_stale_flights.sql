{# Rows to (re)score: new flights, flights whose features changed, and flights that another
   model version scored. The filter comes before the model and the scored rows are
   materialized, so that each stale row is scored once and every other row never. #}
{% macro score_stale_flights(reference) -%}
{% set model_name = reference.split('@')[0] -%}
with answering as {{ materialized() }}(
    select {{ model_version(reference) }} as model_version
),

stale as {{ materialized() }}(
    select features.*
    from {{ ref('flight_features') }} as features
    {% if is_incremental() -%}
    left join {{ this }} as stored
        on features.flight_id = stored.flight_id
    where stored.flight_id is null
        or stored.features_hash is distinct from features.features_hash
        or stored.model_name is distinct from '{{ model_name }}'
        or stored.model_version is distinct from (select model_version from answering)
    {%- endif %}
),

scored as {{ materialized() }}(
    select
        flight_id,
        features_hash,
        {{ predict_proba(reference, 'stale', ref('flight_features')) }} as late_probability,
        {{ predict(reference, 'stale', ref('flight_features')) }} as predicted_late
    from stale
)

select
    scored.flight_id,
    scored.late_probability,
    scored.predicted_late,
    '{{ model_name }}' as model_name,
    answering.model_version,
    scored.features_hash,
    cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as {{ timestamp_type() }}) as scored_at,
    '{{ invocation_id }}' as run_id
from scored
cross join answering
{%- endmacro %}
