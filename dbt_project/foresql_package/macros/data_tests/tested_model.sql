{# What foresql.scored wrote down of the model that a data test is attached to; {} where the model
   is none of its kind. While dbt parses, nothing is known. #}
{% macro tested_predictions() -%}
    {% set node = graph.get('nodes', {}).get(model.attached_node, {}) if execute else {} %}
    {{ return(node.get('config', {}).get('meta', {}).get('foresql', {})) }}
{%- endmacro %}

{# An argument of a data test, or what foresql.scored wrote down. #}
{% macro tested_argument(given, name, test) -%}
    {% if given is not none or not execute %}
        {{ return(given) }}
    {% endif %}
    {% set known = foresql.tested_predictions() %}
    {% if name not in known %}
        {% do exceptions.raise_compiler_error(
            'The data test foresql.' ~ test ~ ' needs the argument `' ~ name ~ '` here.\n  What to '
            ~ 'do: give it under `arguments:`; only a model that foresql.scored makes knows it by '
            ~ 'itself.'
        ) %}
    {% endif %}
    {{ return(known[name]) }}
{%- endmacro %}

{# The features of the tested predictions: one of the nodes that their model reads. #}
{% macro tested_features(given) -%}
    {% if given is not none or not execute %}
        {{ return(given) }}
    {% endif %}
    {% set name = foresql.tested_argument(none, 'features', 'version_coverage') %}
    {% set predictions = graph.nodes[model.attached_node] %}
    {% set found = [] %}
    {% for id in predictions.depends_on.nodes %}
        {% set node = graph.nodes.get(id) or graph.sources.get(id) %}
        {% set is_source = node and node.resource_type == 'source' %}
        {% set called = node.source_name ~ '.' ~ node.name if is_source else node.name %}
        {% if node and called == name %}
            {% do found.append(api.Relation.create(
                database=node.database, schema=node.schema,
                identifier=node.identifier if is_source else node.alias,
            )) %}
        {% endif %}
    {% endfor %}
    {{ return(found[0]) }}
{%- endmacro %}

{# Columns of a key as a list. #}
{% macro key_columns(key) -%}
    {{ return([key] if key is string else (key or []) | list) }}
{%- endmacro %}

{# A key's columns in a message: id = 3, day = 2013-01-01. #}
{% macro key_text(row, keys) -%}
    {% set parts = [] %}
    {% for name in keys %}
        {% do parts.append(
            foresql.literal((', ' if not loop.first else '') ~ name ~ ' = ') ~ ' || coalesce(cast('
            ~ row ~ '.' ~ foresql.column(name) ~ ' as varchar), ' ~ "'NULL')"
        ) %}
    {% endfor %}
    {{ return(parts | join(' || ')) }}
{%- endmacro %}
