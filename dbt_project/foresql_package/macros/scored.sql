{# A whole model of predictions: `reference` answers for each row of `features`, one row a key.

   Only rows that are new, whose hash changed, or that another version scored are scored again.
   A column that is new in the predictions makes every row stale. Rows whose key left the features
   are deleted in the same transaction. Nothing looks at time, so late data is scored like any
   other, and a full refresh gives the same table.

   - `features`: ref('…') or source('…', '…') of a table or view;
   - `key`: the name of the column that tells rows apart, or a list of names;
   - `predict`, `predict_proba`: what the columns of the answers are called; at least one;
   - `hash`: the column that changes when a row of the features does;
   - `keep`: further columns of the features that stand in the predictions.

   What it configures is a default: a `config(…)` of the model below the call changes it. #}
{% macro scored(reference, features, key, predict=none, predict_proba=none, hash='features_hash', keep=[]) -%}
    {% set keys = [key] if key is string else key | list %}
    {% set keep = [keep] if keep is string else keep | list %}
    {% set outputs = {} %}
    {% if predict is not none %}{% do outputs.update({'predict': predict}) %}{% endif %}
    {% if predict_proba is not none %}{% do outputs.update({'predict_proba': predict_proba}) %}{% endif %}
    {% do foresql.check_scored_arguments(reference, keys, outputs, hash, keep) %}
    {% do foresql.configure_scored(reference, keys, outputs, hash) %}
    {% if execute %}
        {% do foresql.check_features(reference, features, keys, hash) %}
    {% endif %}
    {% set query = adapter.dispatch('scored_rows', 'foresql')(reference, features, keys, outputs, hash, keep) %}
    {% do foresql.check_stored(reference, query) %}
    {{ return(query) }}
{%- endmacro %}


{# A function answers for each stale row. #}
{% macro scored_by_functions(reference, features, keys, outputs, hash, keep) -%}
    {% set version = foresql.named_version(reference) %}
    {% set answers %}
    select
        {%- for name in keys + keep %}
        {{ foresql.column(name) }},
        {%- endfor %}
        {{ foresql.column(hash) }} as features_hash
        {%- for kind, name in outputs.items() %},
        {{ foresql.answer(kind, reference, 'foresql_stale', features) }} as {{ foresql.column(name) }}
        {%- endfor %}
    from foresql_stale
    {%- endset %}
    {{ return(foresql.scored_query(reference, features, keys, outputs, hash, keep, version, answers)) }}
{%- endmacro %}


{# `answers` reads foresql_stale. The filter comes before the model and the scored rows are
   materialized, so that each stale row is scored once and every other row never. #}
{% macro scored_query(reference, features, keys, outputs, hash, keep, version, answers) -%}
    {% set query %}
{% if version is not none %}{{ foresql.version_comment(reference, version) }}{% endif %}
with foresql_answering as {{ foresql.materialized() }}(
    select {{ foresql.answering_version(reference) }} as model_version
),

foresql_stale as {{ foresql.materialized() }}(
    {{ foresql.stale_rows(reference, features, keys, hash, outputs.values() | list + keep) | indent(4) }}
),

foresql_scored as {{ foresql.materialized() }}(
    {{ answers | trim }}
)

select
    {{ foresql.scored_columns(reference, keys, outputs, keep) | indent(4) }}
from foresql_scored as scored
cross join foresql_answering as answering
    {% endset %}
    {{ return(query) }}
{%- endmacro %}


{# The rows of the features that have no prediction, or a stale one. #}
{% macro stale_rows(reference, features, keys, hash, columns) -%}
{%- set goes_on = is_incremental() and not foresql.new_columns(columns) %}
select features.*
from (select * from {{ features }}) as features
{%- if goes_on %}
left join {{ this }} as stored
    on {% for name in keys -%}
    features.{{ foresql.column(name) }} = stored.{{ foresql.column(name) }}
    {%- if not loop.last %} and {% endif %}
    {%- endfor %}
where stored.model_version is null
    or stored.features_hash is distinct from features.{{ foresql.column(hash) }}
    or stored.model_name is distinct from {{ foresql.literal(foresql.reference_parts(reference)[0]) }}
    or stored.model_version is distinct from (select model_version from foresql_answering)
{%- endif %}
{%- endmacro %}


{# Columns that the stored predictions lack: a row that is not stale would keep NULL in them. #}
{% macro new_columns(columns) -%}
    {% set stored = foresql.columns_there(this) if foresql.runs_queries() else {} %}
    {{ return(columns | map('lower') | reject('in', stored) | list if stored else []) }}
{%- endmacro %}


{# What a prediction says of itself; `scored` and `answering` are in the query. #}
{% macro scored_columns(reference, keys, outputs, keep) -%}
{% for name in keys + outputs.values() | list + keep -%}
scored.{{ foresql.column(name) }},
{% endfor -%}
{{ foresql.literal(foresql.reference_parts(reference)[0]) }} as model_name,
answering.model_version,
scored.features_hash,
cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as {{ foresql.timestamp_type() }}) as scored_at,
'{{ invocation_id }}' as run_id
{%- endmacro %}
