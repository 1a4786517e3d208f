{# on-run-end: says what the failed data tests of this package found, a line each; dbt itself counts
   rows. #}
{% macro explain_failures(results) -%}
    {% for result in results if result.status in ('fail', 'warn') %}
        {% set node = result.node %}
        {% if node.resource_type == 'test' and (node.test_metadata or {}).namespace == 'foresql' %}
            {% set found = run_query(
                'select problem from (' ~ node.compiled_code ~ ') as failures order by problem limit 3'
            ) %}
            {% for row in found.rows %}
                {% do log(node.name ~ ': ' ~ row[0], info=true) %}
            {% endfor %}
            {% if result.failures > found.rows | length %}
                {% do log(node.name ~ ': … ' ~ result.failures ~ ' in all', info=true) %}
            {% endif %}
        {% endif %}
    {% endfor %}
{%- endmacro %}
