{# One text of 32 hexadecimal digits for all columns of a row. JSON keeps NULL, an empty text and
   the text 'NULL' apart, and any two doubles differ. `columns` are what contract_columns gives;
   where the engine turns a row into JSON by itself they are not needed. #}
{% macro hash_row(alias, columns) -%}
    {{ adapter.dispatch('hash_row')(alias, columns) }}
{%- endmacro %}

{# DuckDB and Postgres print doubles so that they read back the same. #}
{% macro default__hash_row(alias, columns) -%}
    md5(to_json({{ alias }})::varchar)
{%- endmacro %}

{# Every value is written as text first, so that the session's formats have no say. #}
{% macro snowflake__hash_row(alias, columns) -%}
    {%- if not columns -%}
    cast(null as varchar)
    {%- else -%}
    md5(to_json(array_construct(
        {%- for column in columns %}
        {{ snowflake_text(alias ~ '.' ~ column.name, column.data_type) }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    )))
    {%- endif %}
{%- endmacro %}

{# A value as text that no other value has. Of a FLOAT Snowflake prints fewer digits than it has:
   what they leave out follows as a text of its own. #}
{% macro snowflake_text(value, data_type) -%}
    {% set texts = {
        'varchar': '{0}',
        'integer': 'to_varchar({0})',
        'bigint': 'to_varchar({0})',
        'boolean': 'to_varchar({0})',
        'date': "to_varchar({0}, 'YYYY-MM-DD')",
        'timestamp_ntz': "to_varchar({0}, 'YYYY-MM-DD HH24:MI:SS.FF9')",
        'double': 'to_varchar({0}), to_varchar({0} - try_to_double(to_varchar({0})))',
    } %}
    {% if data_type | lower not in texts %}
        {% do exceptions.raise_compiler_error(
            'hash_row does not write ' ~ value ~ ', which is ' ~ data_type ~ ', as text. '
            ~ 'What to do: add the type to snowflake_text in macros/hash_row.sql.'
        ) %}
    {% endif %}
    {{ return(texts[data_type | lower].format(value)) }}
{%- endmacro %}

{# The columns of a model, with their types, as its enforced contract has them. dbt shows no graph
   to a unit test, where the hash is NULL. #}
{% macro contract_columns(name, without) -%}
    {% set nodes = graph.get('nodes', {}).values() if execute else [] %}
    {% set found = [] %}
    {% for node in nodes if node.resource_type == 'model' and node.name == name %}
        {% do found.extend(node.columns.values() | rejectattr('name', 'equalto', without)) %}
    {% endfor %}
    {% if nodes and not found %}
        {% do exceptions.raise_compiler_error(
            'The model ' ~ name ~ ' has no columns in its properties: hash_row needs them.'
        ) %}
    {% endif %}
    {{ return(found) }}
{%- endmacro %}
