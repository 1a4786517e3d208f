{# Calls of the functions that `foresql deploy <model>@<alias> --to snowflake` made. #}
{% macro snowflake__foresql_call(kind, reference, row, relation) -%}
    {% if not execute %}{{ return('null') }}{% endif %}
    {% set known = foresql_known(reference) %}
    {% if kind not in known.functions %}
        {% do exceptions.raise_compiler_error(
            reference ~ ' has no ' ~ kind ~ ': ' ~ known.omitted.get(kind, 'it is not deployed')
        ) %}
    {% endif %}
    {% do foresql_check_served(reference, known) %}
    {% if relation is not none %}
        {% do foresql_check_columns(reference, known, relation) %}
    {% endif %}
    {% set values = [] %}
    {% for column in known.columns %}
        {% set stored = row ~ '.' ~ foresql_quote(column.column) %}
        {% set value = 'cast(' ~ stored ~ ' as ' ~ column.type ~ ')' %}
        {% do values.append((foresql_literal(column.name) ~ ', ' if known.packed else '') ~ value) %}
    {% endfor %}
    {% set arguments = values | join(',\n            ') %}
    {% if known.packed %}
        {% set arguments = 'object_construct_keep_null(' ~ arguments ~ ')' %}
    {% endif %}
    {{ return(foresql_served(known.functions[kind]) ~ '(\n            ' ~ arguments ~ '\n        )') }}
{%- endmacro %}

{% macro snowflake__foresql_version(reference) -%}
    {% if not execute %}{{ return('null') }}{% endif %}
    {% set known = foresql_known(reference) %}
    {% do foresql_check_served(reference, known) %}
    {{ return(foresql_served(known.functions.version) ~ '()') }}
{%- endmacro %}

{% macro foresql_schema() -%}
    {{ return(
        foresql_quote(var('foresql_database', 'FORESQL')) ~ '.'
        ~ foresql_quote(var('foresql_serving', 'SERVING'))
    ) }}
{%- endmacro %}

{% macro foresql_served(function) -%}
    {{ return(foresql_schema() ~ '.' ~ foresql_quote(function)) }}
{%- endmacro %}

{% macro foresql_quote(name) -%}
    {{ return('"' ~ name | replace('"', '""') ~ '"') }}
{%- endmacro %}

{% macro foresql_literal(text) -%}
    {{ return("'" ~ text | replace('\\', '\\\\') | replace("'", "''") ~ "'") }}
{%- endmacro %}

{# What foresql_models.sql says of a reference. #}
{% macro foresql_known(reference) -%}
    {% do foresql_parts(reference) %}
    {% set models = foresql_models() %}
    {% if reference not in models %}
        {% do exceptions.raise_compiler_error(
            'macros/foresql_models.sql does not know ' ~ reference ~ '. It knows: '
            ~ (models | join(', ') or 'no model') ~ '.\n  What to do: '
            ~ 'foresql dbt-macros ' ~ (models.keys() | list + [reference]) | join(' ')
            ~ ' --into macros/foresql_models.sql'
        ) %}
    {% endif %}
    {{ return(models[reference]) }}
{%- endmacro %}

{# Columns go to a function by position: a version that takes others must never answer. #}
{% macro foresql_check_served(reference, known) -%}
    {% if flags.WHICH not in ('build', 'run', 'test', 'snapshot', 'show', 'retry') %}
        {{ return('') }}
    {% endif %}
    {% set function = known.functions.version %}
    {% set found = run_query(
        'select count(*) from ' ~ foresql_quote(var('foresql_database', 'FORESQL'))
        ~ '.INFORMATION_SCHEMA.FUNCTIONS where function_schema = '
        ~ foresql_literal(var('foresql_serving', 'SERVING'))
        ~ ' and function_name = ' ~ foresql_literal(function)
    ) %}
    {% if not found.rows[0][0] %}
        {% do exceptions.raise_compiler_error(
            reference ~ ' is not deployed: ' ~ foresql_schema() ~ ' has no function ' ~ function
            ~ ' that the role ' ~ target.role ~ ' may use.\n  What to do: foresql deploy '
            ~ reference ~ ' --to snowflake, and grant FORESQL_CALLER to the role.'
        ) %}
    {% endif %}
    {% set version = run_query('select ' ~ foresql_served(function) ~ '()').rows[0][0] | int %}
    {% if version not in known.versions %}
        {% do exceptions.raise_compiler_error(
            'Version ' ~ version ~ ' answers for ' ~ reference ~ ' in ' ~ foresql_schema()
            ~ ', and macros/foresql_models.sql does not know which columns it takes. It knows '
            ~ 'version ' ~ known.versions | join(', ') ~ '.\n  What to do: foresql dbt-macros '
            ~ foresql_models() | join(' ') ~ ' --into macros/foresql_models.sql'
        ) %}
    {% endif %}
{%- endmacro %}

{% macro foresql_check_columns(reference, known, relation) -%}
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
        {% if not foresql_takes(column.type, given) %}
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
{% macro foresql_takes(type, column) -%}
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
