{# Calls of the functions that the plugin of profiles.yml registers, with the whole row. #}
{% macro duckdb__answer(kind, reference, row, relation) -%}
    {% set function = kind ~ '_' ~ foresql.function_suffix(reference) %}
    {% if not foresql.runs_queries() %}
        {{ return(function ~ '(' ~ row ~ ')') }}
    {% endif %}
    {% set version = foresql.named_version(reference) %}
    {% set takes = foresql.duckdb_parameters(function) %}
    {% if not takes %}
        {% set known = foresql.known_model(reference) or {} %}
        {% do foresql.refuse_answer(
            kind, reference, known.get('omitted', {}).get(kind, 'version ' ~ version ~ ' has no such answer')
        ) %}
    {% endif %}
    {% do foresql.refuse_missing(reference, relation, takes) %}
    {{ return(function ~ '(' ~ row ~ ') /* foresql: ' ~ reference ~ ' is version ' ~ version ~ ' */') }}
{%- endmacro %}

{% macro duckdb__answering_version(reference) -%}
    {% do foresql.named_version(reference) %}
    {{ return('version_' ~ foresql.function_suffix(reference) ~ '()') }}
{%- endmacro %}

{% macro duckdb__scored_rows(reference, features, keys, outputs, hash, keep) -%}
    {{ return(foresql.scored_by_functions(reference, features, keys, outputs, hash, keep)) }}
{%- endmacro %}

{# Which version the plugin registered. #}
{% macro duckdb__named_version(reference) -%}
    {% set function = 'version_' ~ foresql.function_suffix(reference) %}
    {% set there = run_query(
        "select function_name from duckdb_functions() where function_name ilike 'version\\_%' escape '\\' group by all order by all"
    ).columns[0].values() | map('lower') | list %}
    {% if function | lower not in there %}
        {% set functions = [] %}
        {% for name in there %}{% do functions.append('predict' ~ name[7:]) %}{% endfor %}
        {% do exceptions.raise_compiler_error(
            'No function answers for ' ~ reference ~ ' here: profiles.yml names ' ~ (functions | join(', ') or 'no model')
            ~ '.\n  What to do: add `predict_' ~ foresql.function_suffix(reference) ~ ': ' ~ reference
            ~ '` to the models of the plugin foresql.udfs.dbt in profiles.yml, or correct the alias.'
        ) %}
    {% endif %}
    {% do foresql.check_profile(reference) %}
    {{ return(run_query('select ' ~ function ~ '()').rows[0][0] | int) }}
{%- endmacro %}

{# A function that profiles.yml gives to another model must not answer under this one's name.
   A version, such as delay:3, is the model itself, held at one version. #}
{% macro check_profile(reference) -%}
    {% set name = foresql.reference_parts(reference)[0] %}
    {% set function = 'predict_' ~ foresql.function_suffix(reference) %}
    {% for plugin in target.get('plugins') or [] if plugin.module == 'foresql.udfs.dbt' %}
        {% set given = ((plugin.config or {}).get('models') or {}).get(function, reference) %}
        {% if given != reference and given.split(':')[0] != name %}
            {% do exceptions.raise_compiler_error(
                'profiles.yml gives ' ~ function ~ ' the model ' ~ given ~ ', and ' ~ reference
                ~ ' is called by that name.\n  What to do: write `' ~ function ~ ': ' ~ reference
                ~ '` there, and give ' ~ given ~ ' a function of its own.'
            ) %}
        {% endif %}
    {% endfor %}
{%- endmacro %}

{# The columns that a function takes; one that takes a single column does not tell it apart from a
   row, and DuckDB checks it when it plans the query, as it does the types of all. #}
{% macro duckdb_parameters(function) -%}
    {{ return(run_query(
        'select unnest(parameters) from (select parameters from duckdb_functions() where '
        ~ 'lower(function_name) = ' ~ foresql.literal(function | lower) ~ ' order by len(parameters) desc limit 1)'
    ).columns[0].values() | list) }}
{%- endmacro %}

{% macro refuse_missing(reference, relation, takes) -%}
    {% set there = foresql.columns_there(relation) %}
    {% set missing = [] %}
    {% for name in takes if there and takes | length > 1 and name | lower not in there %}
        {% do missing.append(name) %}
    {% endfor %}
    {% do foresql.refuse_columns(
        reference, relation, missing, foresql.text_for_others(reference, there) if there else []
    ) %}
{%- endmacro %}

{# Columns that are text now and were not when the model was fitted. The plugin's checks of types
   are macros, whose names say what they take: DuckDB quotes them, in an error without a way out. #}
{% macro text_for_others(reference, there) -%}
    {% set start = 'predict_' ~ foresql.function_suffix(reference) ~ ': column ' %}
    {% set checks = run_query(
        'select function_name from duckdb_functions() where starts_with(lower(function_name), '
        ~ foresql.literal(start | lower) ~ ') order by all'
    ).columns[0].values() %}
    {% set problems = [] %}
    {% for check in checks %}
        {% set name, taken = check[start | length:].rsplit(' must be ', 1) %}
        {% for column in there.get(name | lower, []) if column.dtype == 'VARCHAR' and taken != 'text' %}
            {% do problems.append(name ~ ' is VARCHAR, and the model takes ' ~ taken) %}
        {% endfor %}
    {% endfor %}
    {{ return(problems) }}
{%- endmacro %}
