{# What made each prediction of a table: its rows, with the version's facts beside them.

   {{ foresql.lineage(ref('delay_predictions')) }} is a SELECT, for a model of its own or for
   `dbt show --inline`. In DuckDB any client can ask the same without dbt:
   `from foresql.prediction_lineage('delay_predictions')`. #}
{% macro lineage(relation) -%}
select
    predictions.*,
    {{ foresql.lineage_columns('models') | indent(4) }}
from {{ relation }} as predictions
left join {{ foresql.relation('models') }} as models
    on models.model_name = predictions.model_name
    and models.model_version = predictions.model_version
{%- endmacro %}

{% macro lineage_columns(models) -%}
{{ models }}.sha256 as model_sha256,
{{ models }}.created_at as model_published_at,
{{ models }}.created_by as model_published_by,
{{ models }}.estimator as model_estimator,
{{ models }}.trained_on as model_trained_on,
{{ models }}.training_rows as model_training_rows,
{{ models }}.training_sha256 as model_training_sha256,
{{ models }}.certified_rows as model_certified_rows,
{{ models }}.git_commit as model_git_commit
{%- endmacro %}

{# It stays in the database file, so every client has it. #}
{% macro lineage_macro() -%}
create or replace macro {{ foresql.relation('prediction_lineage') }}(predictions) as table
select
    predicted.*,
    {{ foresql.lineage_columns('models') | indent(4) }}
from query_table(predictions) as predicted
left join {{ foresql.relation('models').include(database=false) }} as models
    on models.model_name = predicted.model_name
    and models.model_version = predicted.model_version
{%- endmacro %}

{% macro has_lineage_macro() -%}
    {{ return(run_query(
        "select 1 from duckdb_functions() where function_name = 'prediction_lineage' and "
        ~ 'schema_name = ' ~ foresql.literal(foresql.schema_name())
        ~ ' and database_name = ' ~ foresql.literal(foresql.relation('models').database)
    ).rows | length > 0) }}
{%- endmacro %}
