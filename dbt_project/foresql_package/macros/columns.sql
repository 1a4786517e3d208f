{# Where each column of a model is stored in a relation. A column whose name differs in case is
   taken where it is the only one: dbt's models often write names without quotes. Missing columns
   and wrong types end the compilation. Before the relation is built nothing is known of it. #}
{% macro stored_columns(reference, known, relation) -%}
    {% set stored = {} %}
    {% set there = foresql.columns_there(relation) %}
    {% set problems = [] %}
    {% set missing = [] %}
    {% for column in known.columns %}
        {% set alike = there.get(column.name | lower, []) %}
        {% set same = alike | selectattr('name', 'equalto', column.name) | list or alike %}
        {% if not there %}
            {% do stored.update({column.name: column.name}) %}
        {% elif not same %}
            {% do missing.append(column.name) %}
        {% elif same | length > 1 %}
            {% do problems.append(
                column.name ~ ' may be ' ~ same | map(attribute='name') | join(' or ')
                ~ ': rename one of them'
            ) %}
        {% else %}
            {% do stored.update({column.name: same[0].name}) %}
            {% if not foresql.accepts(column.accepts, same[0]) %}
                {% do problems.append(
                    column.name ~ ' is ' ~ same[0].dtype ~ ', and the model takes '
                    ~ foresql.accepted_types()[column.accepts]
                ) %}
            {% endif %}
        {% endif %}
    {% endfor %}
    {% do foresql.refuse_columns(reference, relation, missing, problems) %}
    {{ return(stored) }}
{%- endmacro %}

{# A relation's columns by their names in lower case; none where it is not there yet. A unit test
   gives `this` as the name of its rows. #}
{% macro columns_there(relation) -%}
    {% set there = {} %}
    {% if execute and relation is not none and relation is not string and not relation.is_cte %}
        {% for column in adapter.get_columns_in_relation(relation) %}
            {% do there.setdefault(column.name | lower, []).append(column) %}
        {% endfor %}
    {% endif %}
    {{ return(there) }}
{%- endmacro %}

{% macro refuse_columns(reference, relation, missing, problems) -%}
    {% set told = (['it lacks ' ~ missing | join(', ')] if missing else []) + problems %}
    {% if told %}
        {% do exceptions.raise_compiler_error(
            reference ~ ' cannot score ' ~ relation ~ ': ' ~ told | join('; ')
            ~ '.\n  What to do: correct that table, or fit a model on the columns that it has and '
            ~ 'publish it.'
        ) %}
    {% endif %}
{%- endmacro %}

{% macro accepted_types() -%}
    {{ return({
        'number': 'a number', 'integer': 'an integer', 'boolean': 'a boolean', 'text': 'text',
        'time': 'a date or a time without a zone',
    }) }}
{%- endmacro %}

{# Casts that lose nothing. Text is no number here, even where the engine would read it as one. #}
{% macro accepts(kind, column) -%}
    {% set given = column.dtype | lower %}
    {% if kind == 'number' %}
        {{ return(column.is_number() or column.is_float() or given in ('int64', 'float64', 'bignumeric')) }}
    {% elif kind == 'integer' %}
        {{ return(
            column.is_integer() or given == 'int64'
            or (column.is_numeric() and column.numeric_scale == 0)
        ) }}
    {% elif kind == 'text' %}
        {{ return(column.is_string() or given.startswith('char') or given == 'string') }}
    {% elif kind == 'time' %}
        {{ return(given.startswith('timestamp without') or given in (
            'date', 'timestamp', 'datetime', 'timestamp_ntz'
        )) }}
    {% endif %}
    {{ return(given in ('boolean', 'bool')) }}
{%- endmacro %}
