{# on-run-start, before anything is written: a registry that was made anew counts from 1 again, and
   a prediction says of its model no more than name and version. So `delay:1` must be the model that
   it was at the last run, or stored predictions would stay and pass for the new model's. #}
{% macro refuse_reused_versions() -%}
    {% if execute and flags.WHICH in ('build', 'run', 'retry') and not flags.FULL_REFRESH %}
        {% set kept = foresql.kept_models() %}
        {% set reused = adapter.dispatch('reused_versions', 'foresql')() if kept else [] %}
        {% for found in reused if found.name in kept %}
            {% do exceptions.raise_compiler_error(
                found.reference ~ ' is another model than the one that scored rows of this database: its sha256 was '
                ~ found.before[:12] ~ '…, and is ' ~ found.now[:12] ~ '… in the registry now. Nothing was changed.'
                ~ '\n  What to do: name the registry in profiles.yml that the predictions came from; or, if it was '
                ~ 'made anew, score all rows again: dbt ' ~ flags.WHICH ~ ' --full-refresh'
            ) %}
        {% endfor %}
    {% endif %}
{%- endmacro %}

{# The names of models whose answers stay in a table from run to run. #}
{% macro kept_models() -%}
    {% set names = [] %}
    {% for node in graph.nodes.values() if node.config.materialized in ('incremental', 'snapshot') %}
        {% for reference in ((node.config.get('meta') or {}).get('foresql') or {}).get('models', {}) %}
            {% do names.append(reference.split('@')[0]) %}
        {% endfor %}
    {% endfor %}
    {{ return(names) }}
{%- endmacro %}

{# Elsewhere projects with registries of their own may share one catalogue. #}
{% macro default__reused_versions() -%}
    {{ return([]) }}
{%- endmacro %}

{% macro duckdb__reused_versions() -%}
    {% set relation, reused = foresql.relation('models'), [] %}
    {% if not foresql.has_registry() or not adapter.get_columns_in_relation(relation) or not foresql.read_registry() %}
        {{ return([]) }}
    {% endif %}
    {% for row in run_query(
        'select model_name, reference, stored.sha256, found.sha256 from ' ~ relation ~ ' as stored join '
        ~ foresql.registry_rows('models') ~ ' as found using (model_name, reference) '
        ~ 'where stored.sha256 <> found.sha256 order by reference'
    ).rows %}
        {% do reused.append({'name': row[0], 'reference': row[1], 'before': row[2], 'now': row[3]}) %}
    {% endfor %}
    {{ return(reused) }}
{%- endmacro %}
