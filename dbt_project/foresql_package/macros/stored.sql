{# dbt adds columns to a table that is there, and changes none: a value of another type would be
   rounded or cut on its way in, and a column that is not given any more would keep what is outdated.
   Both end the run before the table is touched. #}
{% macro check_stored(reference, query) -%}
    {% if not foresql.runs_queries() or model.resource_type != 'model' or not is_incremental()
        or config.get('on_schema_change') == 'sync_all_columns' %}
        {{ return('') }}
    {% endif %}
    {% set stored = foresql.query_types('select * from ' ~ this) %}
    {% set given = foresql.query_types(query) %}
    {% set problems = [] %}
    {% for name, type in stored.items() %}
        {% if name not in given %}
            {% do problems.append(name ~ ' is there, and foresql.scored does not give it any more') %}
        {% elif given[name] != type %}
            {% do problems.append(name ~ ' is ' ~ type ~ ', and ' ~ given[name] ~ ' now') %}
        {% endif %}
    {% endfor %}
    {% if problems %}
        {% do exceptions.raise_compiler_error(
            this ~ ' cannot take what ' ~ reference ~ ' gives: ' ~ problems | join('; ')
            ~ '. It is as it was.\n  What to do: dbt run --full-refresh --select ' ~ model.name
            ~ ', which makes the table again.'
        ) %}
    {% endif %}
{%- endmacro %}

{# The types of a query's columns, by their names in lower case; it is planned, and not run. #}
{% macro query_types(query) -%}
    {% set types = {} %}
    {% for column in adapter.get_column_schema_from_query(get_empty_subquery_sql(query)) %}
        {% do types.update({column.name | lower: column.dtype}) %}
    {% endfor %}
    {{ return(types) }}
{%- endmacro %}
