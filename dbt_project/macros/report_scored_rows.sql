{# Says at the end of a run how many rows each prediction table had scored in it. #}
{% macro report_scored_rows() -%}
    {% if execute and flags.WHICH in ('build', 'run') %}
        {% for result in results if 'predictions' in result.node.config.get('tags', []) %}
            {% if result.status == 'success' %}
                {% set query %}
                    select count(case when run_id = '{{ invocation_id }}' then 1 end), count(*)
                    from {{ result.node.relation_name }}
                {% endset %}
                {% set row = run_query(query).rows[0] %}
                {% do log('%s: scored %s of %s rows' | format(
                    result.node.name, '{:,}'.format(row[0]), '{:,}'.format(row[1])
                ), info=true) %}
            {% endif %}
        {% endfor %}
    {% endif %}
{%- endmacro %}
