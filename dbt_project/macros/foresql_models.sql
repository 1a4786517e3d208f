{# The models that dbt scores with. None is named yet; DuckDB does not ask.

   foresql dbt-macros delay@champion delay@challenger --into macros/foresql_models.sql #}
{% macro foresql_models() -%}
    {{ return({}) }}
{%- endmacro %}
