{# Calls of the functions that `foresql deploy <model>@<alias> --to snowflake` made. #}
{% macro snowflake__answer(kind, reference, row, relation) -%}
    {% if not execute %}{{ return('null') }}{% endif %}
    {% set known = foresql.deployed_model(reference) %}
    {% if kind not in known.functions %}
        {% do foresql.refuse_answer(kind, reference, known.omitted.get(kind, 'it is not deployed')) %}
    {% endif %}
    {% do foresql.named_version(reference) %}
    {% if relation is not none and not relation.is_cte %}
        {% do foresql.check_columns(reference, known, relation) %}
    {% endif %}
    {% set values = [] %}
    {% for column in known.columns %}
        {% set stored = row ~ '.' ~ foresql.identifier(column.column) %}
        {% set value = 'cast(' ~ stored ~ ' as ' ~ column.type ~ ')' %}
        {% do values.append((foresql.literal(column.name) ~ ', ' if known.packed else '') ~ value) %}
    {% endfor %}
    {% set arguments = values | join(',\n            ') %}
    {% if known.packed %}
        {% set arguments = 'object_construct_keep_null(' ~ arguments ~ ')' %}
    {% endif %}
    {{ return(foresql.served_function(known.functions[kind]) ~ '(\n            ' ~ arguments ~ '\n        )') }}
{%- endmacro %}

{% macro snowflake__answering_version(reference) -%}
    {% if not execute %}{{ return('null') }}{% endif %}
    {% set known = foresql.deployed_model(reference) %}
    {% do foresql.named_version(reference) %}
    {{ return(foresql.served_function(known.functions.version) ~ '()') }}
{%- endmacro %}

{% macro serving_schema() -%}
    {{ return(
        foresql.identifier(var('foresql_database', 'FORESQL')) ~ '.'
        ~ foresql.identifier(var('foresql_serving', 'SERVING'))
    ) }}
{%- endmacro %}

{% macro served_function(function) -%}
    {{ return(foresql.serving_schema() ~ '.' ~ foresql.identifier(function)) }}
{%- endmacro %}

{# What foresql_models.sql says of a reference. #}
{% macro deployed_model(reference) -%}
    {% set known = foresql.known_model(reference) %}
    {% if known is none or 'snowflake' not in known.get('targets', ['snowflake']) %}
        {% do foresql.refuse_unknown(reference) %}
    {% endif %}
    {{ return(known) }}
{%- endmacro %}

{% macro snowflake__scored_rows(reference, features, keys, outputs, hash, keep) -%}
    {{ return(foresql.scored_by_functions(reference, features, keys, outputs, hash, keep)) }}
{%- endmacro %}

{% macro snowflake__named_version(reference) -%}
    {{ return(foresql.check_served(reference, foresql.deployed_model(reference))) }}
{%- endmacro %}

{# Columns go to a function by position: a version that takes others must never answer. Gives the
   version that does. #}
{% macro check_served(reference, known) -%}
    {% if not foresql.runs_queries() %}
        {{ return(none) }}
    {% endif %}
    {% set function = known.functions.version %}
    {% set found = run_query(
        'select count(*) from ' ~ foresql.identifier(var('foresql_database', 'FORESQL'))
        ~ '.INFORMATION_SCHEMA.FUNCTIONS where function_schema = '
        ~ foresql.literal(var('foresql_serving', 'SERVING'))
        ~ ' and function_name = ' ~ foresql.literal(function)
    ) %}
    {% if not found.rows[0][0] %}
        {% do exceptions.raise_compiler_error(
            reference ~ ' is not deployed: ' ~ foresql.serving_schema() ~ ' has no function ' ~ function
            ~ ' that the role ' ~ target.role ~ ' may use.\n  What to do: foresql deploy '
            ~ reference ~ ' --to snowflake, and grant FORESQL_CALLER to the role.'
        ) %}
    {% endif %}
    {% set version = run_query('select ' ~ foresql.served_function(function) ~ '()').rows[0][0] | int %}
    {% if version not in known.versions %}
        {% do exceptions.raise_compiler_error(
            'Version ' ~ version ~ ' answers for ' ~ reference ~ ' in ' ~ foresql.serving_schema()
            ~ ', and macros/foresql_models.sql does not know which columns it takes. It knows '
            ~ 'version ' ~ known.versions | join(', ') ~ '.\n  What to do: '
            ~ foresql.compile_command([])
        ) %}
    {% endif %}
    {{ return(version) }}
{%- endmacro %}

{% macro check_columns(reference, known, relation) -%}
    {% set there = {} %}
    {% for column in adapter.get_columns_in_relation(relation) %}
        {% do there.update({column.name: column}) %}
    {% endfor %}
    {% set problems = [] %}
    {% set missing = known.columns | map(attribute='column') | reject('in', there) | list %}
    {% if missing and there %}
        {% do problems.append('it lacks ' ~ missing | join(', ')) %}
    {% endif %}
    {% for column in known.columns if column.column in there %}
        {% set given = there[column.column] %}
        {% if not foresql.takes(column.type, given) %}
            {% do problems.append(
                column.column ~ ' is ' ~ given.dtype | upper ~ ', and the model takes '
                ~ column.type
            ) %}
        {% endif %}
    {% endfor %}
    {% if problems %}
        {% do exceptions.raise_compiler_error(
            reference ~ ' cannot score ' ~ relation ~ ': ' ~ problems | join('; ')
            ~ '.\n  What to do: correct that table, or fit a model on the columns that it has, '
            ~ 'publish and deploy it, and write foresql_models.sql again.'
        ) %}
    {% endif %}
{%- endmacro %}

{# Casts that lose nothing. Text is no number here, even where Snowflake would read it as one. #}
{% macro takes(type, column) -%}
    {% set given = column.dtype | upper %}
    {% if type == 'FLOAT' %}
        {{ return(column.is_number() or column.is_float()) }}
    {% elif type.startswith('NUMBER') %}
        {{ return(column.is_integer() or (column.is_numeric() and not column.numeric_scale)) }}
    {% elif type == 'VARCHAR' %}
        {{ return(column.is_string()) }}
    {% elif type == 'TIMESTAMP_NTZ' %}
        {{ return(given in ('TIMESTAMP_NTZ', 'DATE')) }}
    {% endif %}
    {{ return(given == type) }}
{%- endmacro %}
