{# One short text for all columns of a row. NULL, an empty text and the text 'NULL' are kept apart, and
   any two doubles differ. `columns` are what contract_columns gives; where the engine turns a row
   into JSON by itself they are not needed. #}
{% macro features_hash(alias, columns=none) -%}
    {{ return(adapter.dispatch('features_hash', 'foresql')(alias, columns)) }}
{%- endmacro %}

{# DuckDB and Postgres print doubles so that they read back the same. #}
{% macro default__features_hash(alias, columns) -%}
    md5(to_json({{ alias }})::varchar)
{%- endmacro %}

{# With the columns and their types, DuckDB hashes values as they are, twice, in far less time than
   JSON takes. -0.0 equals 0.0 there, so the sign goes in beside it. Texts are changed before
   the second hash: two that meet in one do not meet in the other. Another release of DuckDB may hash
   in another way; then all rows are scored once more. #}
{% macro duckdb__features_hash(alias, columns) -%}
    {% if not columns %}
        {{ return(foresql.default__features_hash(alias, columns)) }}
    {% endif %}
    {% set once, again = [], ["'again'"] %}
    {% for column in columns %}
        {% set value = alias ~ '.' ~ foresql.column(column.name) %}
        {% set type = column.data_type | lower %}
        {% if type in ('double', 'double precision', 'float', 'float4', 'float8', 'real') %}
            {% set signed = [value, 'signbit(' ~ value ~ ')'] %}
            {% do once.extend(signed) %}
            {% do again.extend(signed) %}
        {% elif type in (
            'boolean', 'bool', 'tinyint', 'smallint', 'integer', 'int', 'bigint', 'date', 'timestamp'
        ) %}
            {% do once.append(value) %}
            {% do again.append(value) %}
        {% else %}
            {% set is_text = type in ('varchar', 'text', 'string') %}
            {% set text = value if is_text else 'to_json(' ~ value ~ ')::varchar' %}
            {# Bytes, so that no collation has a say. #}
            {% do once.append('encode(' ~ text ~ ')') %}
            {% do again.append("encode('x' || " ~ text ~ ')') %}
        {% endif %}
    {% endfor %}
    {% set halves = [once | join(', '), again | join(', ')] %}
    {{ return('hex(hash(' ~ halves | join(")) || '-' || hex(hash(") ~ '))') }}
{%- endmacro %}

{# Every value is written as text first, so that the session's formats have no say. #}
{% macro snowflake__features_hash(alias, columns) -%}
    {%- if not columns -%}
    cast(null as varchar)
    {%- else -%}
    md5(to_json(array_construct(
        {%- for column in columns %}
        {{ foresql.snowflake_text(alias ~ '.' ~ foresql.column(column.name), column.data_type) }}
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
        'double precision': 'to_varchar({0}), to_varchar({0} - try_to_double(to_varchar({0})))',
    } %}
    {% if data_type | lower not in texts %}
        {% do exceptions.raise_compiler_error(
            'foresql.features_hash does not write ' ~ value ~ ', which is ' ~ data_type ~ ', as text. '
            ~ 'What to do: cast it to one of ' ~ texts | join(', ') ~ '.'
        ) %}
    {% endif %}
    {{ return(texts[data_type | lower].format(value)) }}
{%- endmacro %}

{# The columns of a model, with their types, as its enforced contract has them: without one, a column
   that nobody described would be missing in the hash. dbt shows no graph to a unit test, where the
   hash is NULL. #}
{% macro contract_columns(name, without) -%}
    {% set nodes = graph.get('nodes', {}).values() if execute else [] %}
    {% set found = [] %}
    {% for node in nodes if node.resource_type == 'model' and node.name == name %}
        {% if node.config.contract.enforced %}
            {% do found.extend(node.columns.values() | rejectattr('name', 'equalto', without)) %}
        {% endif %}
    {% endfor %}
    {% if nodes and not found %}
        {% do exceptions.raise_compiler_error(
            'The model ' ~ name ~ ' has no enforced contract, and foresql.features_hash needs all of '
            ~ 'its columns with their types.\n  What to do: config: {contract: {enforced: true}} in its '
            ~ 'properties, and a data_type for each column.'
        ) %}
    {% endif %}
    {{ return(found) }}
{%- endmacro %}
